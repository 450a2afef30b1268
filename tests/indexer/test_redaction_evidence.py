"""What the evidence and the benchmark of redaction measure, small; their commands do it in full."""

import math

from tests.benchmarks import redaction
from tests.benchmarks.personal import Writer
from tests.evidence.canaries import __main__ as canaries
from tests.evidence.canaries import routes
from tests.evidence.canaries.files import PLACES, WRITERS, Page
from tests.evidence.canaries.people import KINDS, invent


def finding(start: int, end: int) -> redaction.Find:
    return lambda _: [(start, end, "THING")]


def missed(ours: tuple[int, int]) -> list[str]:
    """What our span in `(ab-1)` leaves of theirs, which is all of it."""
    theirs = finding(0, 6)
    found = redaction.covered(["(ab-1)"], {"patterns": finding(*ours), "plain": theirs, "context": theirs})
    return found["plain"].missed["THING"]


def test_a_span_of_theirs_is_covered_where_each_of_its_letters_and_digits_is() -> None:
    assert missed((1, 5)) == []
    assert missed((1, 4)) == ["(ab-1)"]


def test_both_detectors_and_presidio_are_timed_on_the_same_text() -> None:
    found = redaction.arms()
    speeds = redaction.measured(redaction.texts(4), found, rounds=1)
    assert set(speeds.arms) == {"patterns", "plain", "context", "strict", "balanced"}
    assert all(math.isfinite(speed) and speed > 0 for speed in speeds.arms.values())


def test_the_same_seed_writes_the_same_text_of_the_length_asked_for() -> None:
    documents = ["\n\n".join(Writer(seed=seed).document(4000)) for seed in (1, 1, 2)]
    assert documents[0] == documents[1] != documents[2]
    assert all(3900 < len(document) <= 4000 for document in documents)


def test_no_two_people_share_what_is_looked_for() -> None:
    people = invent(60, seed=1)
    for kind in set(KINDS) - {"birth"}:
        assert len({person.canaries[kind] for person in people}) == len(people)


def test_a_document_of_every_format_holds_all_its_people() -> None:
    page = Page(invent(len(PLACES), seed=1))
    plain = [WRITERS[suffix](page).decode() for suffix in ("txt", "md", "html", "json")]
    assert all(page.author.surname in text and page.row.phone in text for text in plain)
    assert all(WRITERS.values())


def test_a_canary_in_an_answer_is_a_finding_unless_redaction_missed_it() -> None:
    people = tuple(invent(len(PLACES), seed=1))
    name = people[0].surname.upper().encode("utf-16-le")
    said = [routes.Said(route="HTTP query", where=routes.ANSWER, content=b"<" + name + b">")]
    (found,) = canaries.found_in(said, people, known=frozenset())
    assert (found.route, found.kind) == ("HTTP query", "name")
    assert not canaries.found_in(said, people, known=frozenset({("name", people[0].number)}))
    log = [routes.Said(route="penstock serve", where=routes.LOG, content=name)]
    assert canaries.found_in(log, people, known=frozenset({("name", people[0].number)}))


def test_what_a_command_tells_back_to_who_typed_it_is_counted_apart_from_what_it_says_of_others() -> None:
    ann, bob = invent(2, seed=1)
    said = routes.Said(
        route="penstock sync",
        where=routes.LOG,
        content=f"There is no source {ann.surname!r} or {bob.surname!r}.".encode(),
        typed=f"sync {ann.surname}",
    )
    found = canaries.found_in([said], (ann, bob), known=frozenset())
    where = {one.value.casefold(): one.where for one in found}
    assert where == {ann.surname.casefold(): routes.ECHOED, bob.surname.casefold(): routes.LOG}
