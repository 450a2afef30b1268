from dataclasses import replace
from datetime import timedelta

import pytest

from policies import orders
from policies.errors import ConflictError, RefusedError
from policies.model import DocumentId, SourceName
from policies.orders import MAX_REFERENCE_CHARS, Order, OrderId, OrderKind, check_reference
from tests.policies.handbook import NOW

LATER = NOW + timedelta(days=1)
MAIL, ATTACHMENT, OTHER = map(DocumentId, ("mail", "attachment", "other"))
HOLD = Order(
    id=OrderId("a" * 24),
    kind=OrderKind.HOLD,
    source=SourceName("hr-handbook"),
    documents=frozenset({MAIL}),
    reference="LIT-2026-014",
    placed_by="caller:ann",
    placed_at=NOW,
)
RESTRICTION = replace(HOLD, id=OrderId("b" * 24), kind=OrderKind.RESTRICTION, placed_at=LATER)


def test_an_order_covers_its_documents_and_what_came_in_them_and_nothing_else() -> None:
    assert HOLD.covers(MAIL, None)
    assert HOLD.covers(ATTACHMENT, MAIL)
    assert not HOLD.covers(OTHER, None)
    assert not HOLD.covers(OTHER, ATTACHMENT)


def test_an_order_on_an_attachment_does_not_cover_its_mail() -> None:
    order = replace(HOLD, documents=frozenset({ATTACHMENT}))
    assert order.covers(ATTACHMENT, MAIL)
    assert not order.covers(MAIL, None)


def test_an_order_without_documents_covers_everything() -> None:
    everything = replace(HOLD, documents=frozenset())
    assert everything.covers(OTHER, None)
    assert everything.covers(ATTACHMENT, MAIL)


def test_the_oldest_order_in_force_is_the_one_that_stands() -> None:
    found = [RESTRICTION, HOLD, replace(HOLD, id=OrderId("0" * 24), ended_at=LATER)]
    assert orders.standing(found, MAIL, None) == HOLD
    assert orders.standing(found, ATTACHMENT, MAIL) == HOLD
    assert orders.standing(found, MAIL, None, kind=OrderKind.RESTRICTION) == RESTRICTION
    assert orders.standing(found, OTHER, None) is None
    assert orders.standing([], MAIL, None) is None


@pytest.mark.parametrize("text", ["LIT-2026-014", "  DSR 31, “Müller”  ", "x" * MAX_REFERENCE_CHARS])
def test_a_reference_is_one_line(text: str) -> None:
    assert check_reference(text, "reference") == text.strip()


@pytest.mark.parametrize("text", ["", "  \n", "x" * (MAX_REFERENCE_CHARS + 1), "two\nlines", "a\x1b[2J", "a\u202eb"])
def test_what_names_no_matter_is_refused(text: str) -> None:
    with pytest.raises(RefusedError, match="The reference is not one line of 1 to 300 characters"):
        check_reference(text, "reference")


def test_a_hold_is_released_by_two_persons() -> None:
    asked = orders.ask_release(HOLD, by="caller:ann", now=NOW)
    assert (asked.stands, asked.asked_by, asked.asked_at) == (True, "caller:ann", NOW)
    with pytest.raises(RefusedError, match="takes two persons"):
        orders.release(asked, by="caller:ann", now=LATER)
    released = orders.release(asked, by="caller:bob", now=LATER)
    assert (released.stands, released.ended_by, released.ended_at) == (False, "caller:bob", LATER)
    assert released == replace(asked, ended_by="caller:bob", ended_at=LATER)


def test_what_somebody_asked_for_lapses_when_nobody_confirms_it() -> None:
    asked = orders.ask_release(HOLD, by="caller:ann", now=NOW)
    last = NOW + timedelta(days=30)
    assert orders.release(asked, by="caller:bob", now=last).ended_by == "caller:bob"
    with pytest.raises(ConflictError, match=r"Nobody asked for the release of hold .* within 30 days"):
        orders.release(asked, by="caller:bob", now=last + timedelta(microseconds=1))
    assert orders.ask_release(asked, by="caller:bob", now=LATER).asked_by == "caller:bob"


def test_nobody_releases_a_hold_alone() -> None:
    with pytest.raises(ConflictError, match="Nobody asked"):
        orders.release(HOLD, by="caller:bob", now=NOW)


def test_a_restriction_is_lifted_when_the_data_subject_was_told() -> None:
    with pytest.raises(RefusedError, match="notice to the data subject"):
        orders.lift(RESTRICTION, by="caller:ann", notice=" ", now=LATER)
    lifted = orders.lift(RESTRICTION, by="caller:ann", notice=" letter of 3 May ", now=LATER)
    assert lifted == replace(RESTRICTION, ended_by="caller:ann", ended_at=LATER, notice="letter of 3 May")


@pytest.mark.parametrize("ended", [False, True])
def test_only_an_order_of_its_kind_that_stands_can_be_ended(*, ended: bool) -> None:
    hold, restriction = HOLD, RESTRICTION
    if ended:
        hold, restriction = (replace(one, asked_by="caller:ann", ended_at=NOW) for one in (HOLD, RESTRICTION))
        message = "has ended"
    else:
        hold, restriction = restriction, hold
        message = "is a (hold|restriction), no"
    with pytest.raises(ConflictError, match=message):
        orders.ask_release(hold, by="caller:bob", now=LATER)
    with pytest.raises(ConflictError, match=message):
        orders.release(hold, by="caller:bob", now=LATER)
    with pytest.raises(ConflictError, match=message):
        orders.lift(restriction, by="caller:bob", notice="a letter", now=LATER)
