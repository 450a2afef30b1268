"""What is changed, withdrawn or erased while a reader reads."""

import itertools
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.answer import NOTHING_VISIBLE, Answer
from gateway.reader import PASSAGES_READ
from indexer import catalog, orders
from indexer.erase import erase
from policies.errors import DependencyError
from policies.manifest import Source
from policies.model import Action
from policies.orders import Order, OrderId, OrderKind
from policies.purge import ErasureRequest
from tests.gateway.test_reader import REQUESTS, ask, fitted_with, reader_of, reading
from tests.gateway.test_retrieval import FILES, HR, REQUEST, STAFF, apply
from tests.indexer.copies import copied
from tests.indexer.workbench import ACTOR, NOW, Bench, text


@pytest.fixture
def own(blank: Path, tmp_path: Path) -> Iterator[tuple[Bench, Source]]:
    """A home for one test alone, and its source."""
    with copied(blank, tmp_path / "home") as made:
        made.origin.files = dict(FILES)
        source = apply(made)
        made.sync(source)
        yield made, source


def test_what_is_erased_while_a_reader_reads_is_not_answered(own: tuple[Bench, Source]) -> None:
    bench, source = own
    leave = bench.id(source, "leave.md")
    receipts: list[str] = []

    def erasing(_question: str, _passage: str) -> float:
        if not receipts:
            request = ErasureRequest(documents=frozenset({leave}), reference="DSR-1", ground="unlawful_processing")
            receipts.extend(erase(bench.workshop, source, request, actor=ACTOR))
        return 0.5

    reader = reader_of(erasing)
    fitted_with(bench, reader)
    answer, _ = ask(bench, reader)
    assert len(receipts) == 1
    assert answer.passages
    assert leave not in {passage.document for passage in answer.passages}
    assert [record.action for record in bench.audit()][-2:] == [Action.PURGE_FINISHED, Action.RETRIEVED]
    reader.close()


def restrict(bench: Bench, *names: str) -> None:
    order = Order(
        id=OrderId("a" * 24), kind=OrderKind.RESTRICTION, source=HR, reference="DSR-2", placed_by=ACTOR, placed_at=NOW,
        documents=frozenset(bench.keyring.document_id(HR, name) for name in names),
    )  # fmt: skip
    with bench.keyring.database.writing() as session:
        orders.save(session, order)


def remove(bench: Bench, name: str) -> None:
    """As a sync or a purge does it before it publishes."""
    with bench.database.writing() as session:
        catalog.remove(session, HR, [bench.keyring.document_id(HR, name)])


def answered_while(bench: Bench, act: Callable[[Bench], object]) -> tuple[Answer, int]:
    """What staff are answered while this happens as the first passage is read, and how many are read."""
    readings = itertools.count()

    def score(_question: str, _passage: str) -> float:
        if not next(readings):
            act(bench)
        return 0.5

    reader = reader_of(score)
    fitted_with(bench, reader)
    answer = reading(bench, reader).retrieve(STAFF, REQUEST, request_id=f"q{next(REQUESTS)}")
    reader.close()
    return answer, next(readings)


@pytest.mark.parametrize(
    "withdraw",
    [
        lambda bench: apply(bench, ("serving: on", "serving: off")),
        lambda bench: apply(bench, ("purposes: [employee-support]", "purposes: [payroll]")),
        lambda bench: apply(bench, ("allow: [group:staff]", "allow: [group:board]")),
        restrict,
    ],
)
def test_what_is_taken_from_a_caller_while_a_reader_reads_is_not_answered(
    own: tuple[Bench, Source], withdraw: Callable[[Bench], object]
) -> None:
    bench, _ = own
    assert answered_while(bench, withdraw) == (NOTHING_VISIBLE, PASSAGES_READ)


@pytest.mark.parametrize(
    ("withdraw", "name"),
    [
        (lambda bench: restrict(bench, "leave.md"), "leave.md"),
        (lambda bench: remove(bench, "leave.md"), "leave.md"),
        (lambda bench: bench.clock.forward(timedelta(days=3)), "old.md"),
    ],
)
def test_a_document_that_is_withdrawn_while_a_reader_reads_is_not_answered_and_others_are(
    own: tuple[Bench, Source], withdraw: Callable[[Bench], object], name: str
) -> None:
    bench, source = own
    before, read = answered_while(bench, lambda _: None)
    after, read_again = answered_while(bench, withdraw)
    assert {passage.document for passage in before.passages} - {passage.document for passage in after.passages} == {
        bench.id(source, name)
    }
    assert after.passages
    assert (read, read_again) == (PASSAGES_READ, 2 * PASSAGES_READ)


def test_an_index_that_is_replaced_while_a_reader_reads_has_nothing_read_again(own: tuple[Bench, Source]) -> None:
    bench, source = own

    def publish(_: Bench) -> None:
        bench.origin.files["board/leave.md"] = text("Leave of the board", "It is fifty days a year now.")
        bench.sync(source)

    answer, read = answered_while(bench, publish)
    assert (len(answer.passages), read) == (3, PASSAGES_READ)


def test_what_changes_whenever_it_is_read_is_not_answered(own: tuple[Bench, Source]) -> None:
    bench, source = own
    days = itertools.count(30)

    def changing(_question: str, _passage: str) -> float:
        bench.origin.files["leave.md"] = text("Leave", f"Annual leave is {next(days)} days a year.")
        bench.sync(source)
        return 0.5

    reader = reader_of(changing)
    fitted_with(bench, reader)
    with pytest.raises(DependencyError, match="changed whenever it was read"):
        ask(bench, reader)
    assert Action.RETRIEVED not in [record.action for record in bench.audit()]
    reader.close()
