"""A source calibrated with golden questions, and what syncs, purges and others' documents make of its confidence."""

import itertools
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from gateway.answer import Answer, RetrievalRequest
from gateway.calibrate import Failure, Golden, Kept, Questions, Replay, UnaskableError, observe
from gateway.confidence import FEATURES, Audience
from gateway.identity import Identity
from gateway.lookup import Lookup, Opened
from gateway.reader import Reader
from gateway.retrieval import Retrieval
from gateway.schemas import render_answer
from gateway.tokens import Tokens
from indexer import calibrations, erase
from indexer.calibrations import Basis
from policies.errors import ConflictError, DependencyError
from policies.model import Access, Action, Agent, Caller, ConfidenceStatus, SourceName, Verdict
from policies.purge import ErasureRequest
from tests import catalogs
from tests.gateway.calibrating import PURPOSE, calibrate, lookup_over
from tests.indexer.workbench import ACTOR, Bench, File, create, opened, text
from tests.policies import handbook

HR = SourceName("hr-handbook")
TOPICS = 60
REQUESTS = itertools.count(1)
STAFF = Caller(subject="ann", groups=frozenset({"staff"}), purposes=frozenset({PURPOSE}), region="gb")
"""Who asks like the golden questions."""
DIRECTOR = replace(STAFF, subject="dee", groups=frozenset({"staff", "board"}))
"""Who sees more than the staff."""


def word(number: int) -> str:
    """A word of its own for each topic."""
    return "".join("bcdfghklmnprstvz"[int(digit, 16)] + "aeiou"[number % 5] for digit in f"{number:02x}") + "rix"


FILES: Mapping[str, File] = {
    f"{number}.md": text(f"On {word(number)}", f"The {word(number)} of the {word(number + 100)} is kept for days.")
    for number in range(TOPICS)
}
QUESTIONS: Mapping[str, tuple[str, ...]] = {
    f"What is the {word(number)} of {word(number + 100)}?": (f"{number}.md",) for number in range(TOPICS)
} | {f"Who may {word(number)} a {word(number + 30)}?": () for number in range(200, 224)}
"""Those with an answer, then those without."""


@dataclass
class Seconds:
    """A clock that goes on by so much each time it is looked at."""

    step: float = 0.0
    now: float = 0.0

    def __call__(self) -> float:
        self.now += self.step
        return self.now


@dataclass(frozen=True, kw_only=True)
class House:
    """A bench that rehearses."""

    bench: Bench
    seconds: Seconds
    reader: Reader | None = None

    def lookup(self) -> Lookup:
        return replace(lookup_over(self.bench), reader=self.reader)

    def calibrate(
        self,
        *,
        calibration: str = "first",
        groups: tuple[str, ...] = ("staff",),
        meanwhile: Callable[[], object] = lambda: None,
    ) -> None:
        """As `penstock calibrate` does; something happens when the questions have been asked."""
        golden = tuple(Golden(query=query, documents=documents) for query, documents in QUESTIONS.items())
        calibrate(
            self.bench, HR, golden,
            lookup=self.lookup(), subject="ann", groups=groups, calibration=calibration, meanwhile=meanwhile,
        )  # fmt: skip

    def sync(self, files: Mapping[str, File]) -> None:
        self.bench.origin.files = dict(files)
        self.bench.sync(handbook.source(), confirm_deletes=True)

    def ask(self, query: str = "What is kept?", caller: Caller = STAFF) -> Answer:
        bench = self.bench
        retrieval = Retrieval(
            database=bench.database,
            lookup=self.lookup(),
            identity=Identity(reading=bench.database.reading, tokens=Tokens((), fetch=_no_fetch)),
            clock=bench.clock,
        )
        request = RetrievalRequest(query=query, purpose=PURPOSE, sources=None, k=5, conversation=None)
        return retrieval.retrieve(caller, request, request_id=f"r{next(REQUESTS)}")

    def status(self, caller: Caller = STAFF) -> ConfidenceStatus:
        return self.ask(caller=caller).confidence.status

    def basis(self) -> Basis:
        with self.bench.database.reading() as session:
            found = calibrations.basis(session, HR)
        assert found is not None
        return found

    def model(self) -> dict[str, object]:
        with self.bench.database.reading() as session:
            found = calibrations.latest(session, HR)
        assert found is not None
        plain: dict[str, object] = json.loads(found)
        return plain

    def erase(self, *names: str) -> None:
        bench = self.bench
        ids = frozenset(bench.keyring.document_id(HR, name) for name in names)
        request = ErasureRequest(documents=ids, reference="DSR-1", ground="withdrawn_consent")
        erase.erase(bench.workshop, handbook.source(), request, actor=ACTOR)


def _no_fetch(_: str) -> bytes:
    raise AssertionError("no issuer is configured")


@contextmanager
def housed(folder: Path, *, first_id: int) -> Iterator[House]:
    with opened(folder, first_id=first_id) as bench:
        seconds, numbers = Seconds(), itertools.count(1)
        plain = House(bench=bench, seconds=seconds)
        replay = Replay(lookup=plain.lookup, clock=bench.clock, seconds=seconds, new_id=lambda: f"again{next(numbers)}")
        yield House(bench=replace(bench, workshop=replace(bench.workshop, rehearse=replay)), seconds=seconds)


@pytest.fixture(scope="module")
def calibrated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home whose one source is calibrated. Not to be changed."""
    folder = tmp_path_factory.mktemp("calibrated")
    create(folder / "home")
    with housed(folder / "home", first_id=1) as made:
        made.bench.apply()
        made.sync(FILES)
        made.calibrate()
    yield folder / "home"
    catalogs.drop(folder)


@pytest.fixture
def house(calibrated: Path, tmp_path: Path) -> Iterator[House]:
    catalogs.copy_home(calibrated, tmp_path / "home")
    with housed(tmp_path / "home", first_id=1_000_000) as made:
        yield made


def test_a_sync_that_changes_much_asks_the_questions_again_before_it_is_seen(house: House) -> None:
    assert house.status() is ConfidenceStatus.CALIBRATED
    remaining = dict(itertools.islice(FILES.items(), 36))
    house.sync(remaining)
    answer = house.ask()
    assert answer.confidence.status is ConfidenceStatus.CALIBRATED
    assert answer.confidence.calibration == "again1"
    model = house.model()
    assert (model["labels"], model["unanswerable"], model["gone"]) == (84, 48, 24)
    calibrated = [record for record in house.bench.audit() if record.action == Action.CALIBRATED]
    assert json.loads(calibrated[-1].detail)["again"] is True


def test_nothing_but_what_the_asking_caller_sees_counts(house: House) -> None:
    """Neither its coming nor its going, nor the failing of what it would have made necessary."""
    before = house.model(), house.basis(), house.ask()
    house.seconds.step = 1e6
    house.sync({**FILES, **{f"board/{name}": file for name, file in FILES.items()}})
    assert (house.model(), house.basis(), house.ask()) == before
    house.sync(FILES)
    assert (house.model(), house.basis(), house.ask()) == before


def test_an_erasure_waits_for_no_question_and_makes_stale_until_they_were_asked(house: House) -> None:
    house.seconds.step = 1e6
    house.erase(*itertools.islice(FILES, 24))
    assert house.status() is ConfidenceStatus.STALE
    assert house.basis().failed == Failure.OVER_BUDGET.value
    house.seconds.step = 0.0
    # The origin still has them; that they do not come back is not new, so that no other index is made.
    house.sync(FILES)
    assert house.status() is ConfidenceStatus.CALIBRATED
    assert house.basis().failed is None


def test_without_questions_two_percent_may_change_and_no_more(house: House) -> None:
    basis = house.basis()
    with house.bench.database.writing() as session:
        calibrations.keep(session, HR, calibration="first", extent=basis.extent, golden=None)
    house.sync({**FILES, "new.md": text("New", "Nothing of it.")})
    assert house.status() is ConfidenceStatus.CALIBRATED
    house.sync({**FILES, "new.md": text("New", "Nothing of it."), "newer.md": text("Newer", "Nothing of it.")})
    assert house.status() is ConfidenceStatus.STALE
    house.sync(FILES)
    assert house.status() is ConfidenceStatus.CALIBRATED


def test_questions_that_cannot_be_asked_make_stale_and_block_no_publication(house: House) -> None:
    before = house.bench.generation(handbook.source()).id
    few = {f"new{number}.md": text(f"New {number}", "Nothing of it.") for number in range(3)}
    house.sync(few)
    assert house.bench.generation(handbook.source()).id != before
    assert house.status() is ConfidenceStatus.STALE
    assert house.basis().failed == Failure.TOO_FEW.value
    assert house.model()["id"] == "first"


def test_questions_given_meanwhile_are_not_lost_to_those_asked_again(house: House) -> None:
    rehearse, database = house.bench.workshop.rehearse, house.bench.database
    assert rehearse is not None
    source = handbook.source()
    house.bench.origin.files = {**FILES, "new.md": text("New", "Nothing of it.")}
    replace(house.bench, workshop=replace(house.bench.workshop, rehearse=None)).sync(source)
    settle = rehearse(database, house.bench.registered(source), published=True, actor=ACTOR)
    assert settle is not None
    house.calibrate(calibration="other")
    with database.writing() as session:
        settle(session)
    assert house.model()["id"] == house.basis().calibration == "other"


def test_what_cannot_be_redacted_is_told_of_by_its_place_before_anything_is_asked(house: House) -> None:
    detector, counting = house.bench.stages.detector, house.bench.stages.counting
    for number, reason in enumerate(["language_not_covered"] * 7 + ["recogniser_failed"]):
        detector.refused[f"What is the {word(number)} of {word(number + 100)}?"] = reason
    before = house.model(), counting.queries
    with pytest.raises(UnaskableError) as caught:
        house.calibrate(calibration="second")
    first = ", ".join(f"kept question {number}" for number in range(1, 6))
    assert f"8 of 84 questions cannot be redacted: {first} and 2 more (a part of it is in a" in caught.value.message
    assert "; kept question 8 (" in caught.value.message
    assert "other_languages: patterns" in caught.value.mend
    assert (house.model(), counting.queries) == before


def test_a_question_that_could_not_be_redacted_now_is_named_too(house: House) -> None:
    house.bench.stages.detector.refused[next(iter(QUESTIONS))] = "redaction_timeout"
    with pytest.raises(DependencyError, match=r"kept question 1: .* \(redaction_timeout\)"):
        house.calibrate(calibration="second")


def test_kept_questions_that_cannot_be_redacted_any_more_are_tried_again(house: House) -> None:
    house.bench.stages.detector.refused[next(iter(QUESTIONS))] = "language_not_covered"
    house.sync(dict(itertools.islice(FILES.items(), 36)))
    assert house.basis().failed == Failure.NOT_ASKED.value


def test_the_same_questions_are_folded_alike_when_they_are_asked_again_as_they_were_redacted(house: House) -> None:
    lookup, bench = house.lookup(), house.bench
    asked = [Kept(query=f"Who told zed{number}@example.org of it?", documents=()) for number in range(5)]
    with bench.database.reading() as session:
        searched = lookup.open(session, bench.registered(handbook.source()), STAFF, PURPOSE, bench.clock())
    assert isinstance(searched, Opened)
    first = observe(lookup, bench.database, searched, asked, progress=lambda _: None)
    kept = [replace(one, query=seen.question) for one, seen in zip(asked, first, strict=True)]
    assert kept != asked
    assert observe(lookup, bench.database, searched, kept, progress=lambda _: None) == first


def test_what_is_kept_of_the_questions_names_nothing(house: House) -> None:
    sealed = house.basis().golden
    assert sealed is not None
    content = b"".join(path.read_bytes() for path in house.bench.home.root.rglob("*") if path.is_file())
    assert next(iter(QUESTIONS)).encode() not in content
    kept = Questions.unseal(house.bench.keyring, HR, sealed)
    assert len(kept.asked) == len(QUESTIONS)
    assert kept.asked[3].documents == (house.bench.keyring.document_id(HR, "3.md"),)


def test_an_index_that_changes_while_it_is_calibrated_stores_nothing(house: House) -> None:
    before = house.model(), house.basis()
    replaced = replace(house.bench, workshop=replace(house.bench.workshop, rehearse=None))

    def sync() -> None:
        replaced.origin.files = {**FILES, "new.md": text("New", "Nothing of it.")}
        replaced.sync(handbook.source())

    with pytest.raises(ConflictError, match="changed while the questions were asked"):
        house.calibrate(calibration="second", meanwhile=sync)
    assert (house.model(), house.basis()) == before


def test_a_calibration_of_another_version_is_none_until_its_questions_were_asked_again(house: House) -> None:
    with house.bench.database.writing() as session:
        other = json.dumps(house.model() | {"schema": 0})
        calibrations.store(session, HR, calibration="first", model=other, now=handbook.NOW)
    answer = house.ask()
    assert (answer.confidence.status, answer.confidence.value) == (ConfidenceStatus.UNCALIBRATED, None)
    assert answer.verdict is Verdict.HANDOFF
    house.sync(FILES)
    assert house.status() is ConfidenceStatus.CALIBRATED


def test_whatever_makes_an_index_or_a_query_otherwise_makes_stale(house: House) -> None:
    model = house.model()
    makers = model["makers"]
    assert isinstance(makers, dict)
    assert set(makers) == {"embedder", "analyser", "splitter", "redactor"}
    for maker in makers:
        with house.bench.database.writing() as session:
            other = json.dumps(model | {"makers": makers | {maker: "another"}})
            calibrations.store(session, HR, calibration="first", model=other, now=handbook.NOW)
        assert house.status() is ConfidenceStatus.STALE


def test_a_calibration_has_its_reader_read_and_a_sync_without_one_makes_a_model_without(house: House) -> None:
    given: set[str] = set()

    def scores(question: str, passages: Sequence[str]) -> list[float]:
        given.update(passages)
        return [float(question.rsplit(maxsplit=1)[-1].strip("?") in passage) for passage in passages]

    reading = replace(house, reader=Reader("fake@1", lambda: scores, mend=""))
    assert reading.status() is ConfidenceStatus.UNCALIBRATED
    reading.calibrate()
    assert reading.status() is ConfidenceStatus.CALIBRATED
    assert house.status() is ConfidenceStatus.UNCALIBRATED
    fitted, makers = reading.model()["linear"], reading.model()["makers"]
    assert isinstance(fitted, dict)
    assert isinstance(makers, dict)
    assert (len(fitted["coefficients"]), makers["reader"]) == (len(FEATURES) + 1, "fake@1")
    assert fitted["coefficients"][-1] > 0
    assert given
    house.sync(dict(itertools.islice(FILES.items(), 58)))
    makers = house.model()["makers"]
    assert isinstance(makers, dict)
    assert "reader" not in makers
    assert house.status() is ConfidenceStatus.CALIBRATED


def test_with_a_reader_the_questions_may_take_ten_times_as_long(house: House) -> None:
    without, rehearse = house.bench.workshop, house.bench.workshop.rehearse
    assert isinstance(rehearse, Replay)
    reader = Reader("fake@1", lambda: lambda _question, passages: [0.5] * len(passages), mend="")
    lookup = replace(house, reader=reader).lookup
    with_one = replace(without, rehearse=replace(rehearse, lookup=lookup))
    for workshop, failed in ((without, Failure.OVER_BUDGET.value), (with_one, None)):
        house.seconds.step = 0.0
        house.sync(FILES)
        house.calibrate()
        house.seconds.step = 2.0
        replace(house, bench=replace(house.bench, workshop=workshop)).sync(dict(itertools.islice(FILES.items(), 36)))
        assert house.basis().failed == failed


def test_who_sees_less_than_the_questions_notices_nothing_of_what_comes_and_goes_out_of_sight(
    house: House, tmp_path: Path
) -> None:
    """Two homes, of which one also gets what the questions are asked of and the staff may not see, to the last byte."""
    house.calibrate(groups=("board", "staff"))
    catalogs.copy_home(house.bench.home.root, tmp_path / "twin")
    board = {f"board/{name}": file for name, file in itertools.islice(FILES.items(), 30)}
    fewer = dict(itertools.islice(FILES.items(), 59))
    with housed(tmp_path / "twin", first_id=2_000_000) as plain:
        for there, hidden in ((FILES, board), (fewer, board), (fewer, {}), (fewer, dict(list(board.items())[:9]))):
            house.sync({**there, **hidden})
            plain.sync(there)
            for query in itertools.islice(QUESTIONS, 0, None, 20):
                answers = [render_answer(one.ask(query), "r1") for one in (house, plain)]
                assert answers[0] == answers[1]
            assert house.ask().confidence.calibration == "first"
            assert house.ask(caller=DIRECTOR).confidence.calibration == house.model()["id"] != "first"
        house.seconds.step = plain.seconds.step = 1e6
        house.sync({**fewer, **board})
        plain.sync(fewer)
        assert house.status(DIRECTOR) is ConfidenceStatus.STALE
        assert render_answer(house.ask(), "r1") == render_answer(plain.ask(), "r1")


def test_what_a_replay_makes_is_for_whoever_is_in_all_of_its_groups(house: House) -> None:
    house.sync(dict(itertools.islice(FILES.items(), 36)))
    agent = Agent(subject="bot", groups=frozenset(), purposes=frozenset({PURPOSE}), region="gb")
    for caller, heard in (
        (STAFF, "again1"),
        (DIRECTOR, "again1"),
        (replace(STAFF, agent=replace(agent, groups=frozenset({"staff", "bots"}))), "again1"),
    ):
        assert house.ask(caller=caller).confidence.calibration == heard
    house.calibrate(calibration="anew")
    assert house.ask().confidence.calibration == "anew"


def test_a_failed_replay_is_on_record_once_and_without_content(house: House) -> None:
    few = {f"new{number}.md": text(f"New {number}", "Nothing of it.") for number in range(3)}
    house.sync(few)
    house.sync(few)
    (failed,) = (record for record in house.bench.audit() if record.action == Action.REPLAY_FAILED)
    assert json.loads(failed.detail) == {"why": Failure.TOO_FEW.value}
    assert json.loads(failed.objects) == [HR, "first"]


RULES = (
    'documents: {from: rules, rules: [{match: "board/**", allow: [group:staff], deny: [user:eve, group:temps]}, '
    '{match: "x/**", allow: [group:board], deny: [user:bob]}]}'
)
RULED = handbook.source((handbook.RULES, RULES))


@pytest.mark.parametrize(
    ("caller", "is_one"),
    [
        (STAFF, True),
        (DIRECTOR, True),
        (replace(STAFF, groups=frozenset({"board"})), False),
        (replace(STAFF, subject="eve"), False),
        (replace(STAFF, groups=frozenset({"staff", "temps"})), False),
        (replace(STAFF, subject="bob"), True),
    ],
)
def test_an_audience_is_told_by_groups_and_manifest_alone(caller: Caller, *, is_one: bool) -> None:
    audience = Audience.load(Audience.of(("staff",), RULED).dump())
    assert audience.includes(caller) is is_one
    agent = Agent(subject="bot", groups=frozenset({"staff"}), purposes=frozenset(), region="gb")
    assert audience.includes(replace(caller, agent=agent)) is is_one
    assert not audience.includes(replace(caller, agent=replace(agent, groups=frozenset())))
    assert not Audience.of((), RULED).includes(caller)


def test_an_audience_may_read_what_only_the_manifest_keeps_from_others() -> None:
    audience = Audience.of(("staff",), RULED)
    staff = frozenset({"group:staff"})
    assert audience.may_read(Access(allow=staff, deny=frozenset({"user:eve"})))
    assert not audience.may_read(Access(allow=staff, deny=frozenset({"user:ann"})))
    assert not audience.may_read(Access(allow=staff, deny=staff))
    assert not audience.may_read(Access(allow=frozenset({"user:ann"}), deny=frozenset()))
