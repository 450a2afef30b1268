"""The reader of passages: what it is given, what its score does to a confidence, and what follows without one."""

import itertools
import json
import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from threading import Event

import pytest

from gateway.answer import Answer, RetrievalRequest
from gateway.cli.doctor import look_at_reader
from gateway.confidence import SCHEMA, Ledge, Makers, Model, Spoken, Staleness, features
from gateway.guardrail import Cause
from gateway.lookup import Lookup, Opened, Question
from gateway.reader import PASSAGES_READ, Choice, Reader
from gateway.retrieval import Retrieval
from gateway.settings import load
from gateway.wiring import open_installation
from indexer import asked, calibrations, catalog
from indexer.content import PassageText
from indexer.embed import MiniLmEmbedder, load_cross_encoder, load_embedder, locate_model
from indexer.search import READ, Found
from policies.errors import DependencyError, IntegrityError, SettingsError
from policies.model import ConfidenceStatus, Verdict
from tests import catalogs
from tests.gateway.calibrating import PURPOSE
from tests.gateway.test_retrieval import FILES, HR, REQUEST, STAFF, apply, calibrate, retrieval, who
from tests.gateway.test_wiring import made, settings
from tests.indexer.copies import copied
from tests.indexer.workbench import NOW, Bench
from tests.patience import comes_true

__all__ = ["made"]  # a fixture
REQUESTS = itertools.count(1)

MAKERS = Makers(embedder="e1", analyser="a1", splitter="s1", redactor="r1")


@dataclass
class Recording:
    """Scores what it is told to, and remembers what it was given."""

    value: float = 0.5
    given: list[tuple[str, str]] = field(default_factory=list)

    def __call__(self, question: str, passage: str) -> float:
        self.given.append((question, passage))
        return self.value


def reader_of(score: Callable[[str, str], float], *, name: str = "fake@1", patience_s: float = 30.0) -> Reader:
    def scores(question: str, passages: Sequence[str]) -> list[float]:
        return [score(question, passage) for passage in passages]

    return Reader(name, lambda: scores, mend="Mend it.", patience_s=patience_s)


@pytest.fixture(scope="module")
def bench(blank: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """One for all: each test stores the model that it wants, and asks under names of its own."""
    folder = tmp_path_factory.mktemp("read")
    with copied(blank, folder / "home") as made:
        made.origin.files = dict(FILES)
        made.sync(apply(made))
        yield made
    catalogs.drop(folder)


def reading(bench: Bench, reader: Reader | None) -> Retrieval:
    plain = retrieval(bench)
    return replace(plain, lookup=replace(plain.lookup, reader=reader))


def fitted_with(bench: Bench, reader: Reader) -> None:
    """A model for staff whose threshold everything passes, fitted with this reader."""
    calibrate(bench)
    with bench.database.writing() as session:
        stored = calibrations.latest(session, HR)
        assert stored is not None
        model = Model.load(stored)
        linear = replace(
            model.linear,
            mean=(*model.linear.mean, 0.0),
            scale=(*model.linear.scale, 1.0),
            coefficients=(*model.linear.coefficients, 1.0),
        )
        model = replace(model, linear=linear, makers=replace(model.makers, reader=reader.name))
        calibrations.store(session, HR, calibration="c1", model=model.dump(), now=NOW)


def ask(
    bench: Bench, used: Retrieval | Reader | None, request: RetrievalRequest = REQUEST
) -> tuple[Answer, asked.Asked]:
    """The answer, and what is kept of it."""
    if not isinstance(used, Retrieval):
        used = reading(bench, used)
    name = f"q{next(REQUESTS)}"
    answer = used.retrieve(STAFF, request, request_id=name)
    with bench.database.reading() as session:
        kept = asked.find(session, name)
    assert kept is not None
    return answer, kept


def is_handed_off(answer: Answer) -> bool:
    return (
        answer.verdict is Verdict.HANDOFF
        and answer.reasons == (Cause.UNCALIBRATED,)
        and answer.confidence.status is ConfidenceStatus.UNCALIBRATED
        and answer.confidence.value is None
        and bool(answer.passages)
    )


def test_a_score_moves_the_confidence_and_nothing_else(bench: Bench) -> None:
    answers = []
    for value in (0.1, 0.9):
        reader = reader_of(Recording(value))
        fitted_with(bench, reader)
        answer, kept = ask(bench, reader)
        answers.append(answer)
    low, high = (answer.confidence.value for answer in answers)
    assert low is not None
    assert high is not None
    assert low < high
    calibrate(bench)
    plain, kept_plain = ask(bench, None)
    assert answers[0].passages == answers[1].passages == plain.passages
    assert kept.features == (*(kept_plain.features or ()), 0.9)
    assert kept_plain.schema == SCHEMA != kept.schema


def test_it_reads_what_its_caller_is_given_first_and_no_clear_word_of_the_question(bench: Bench) -> None:
    score = Recording()
    reader = reader_of(score)
    fitted_with(bench, reader)
    request = replace(REQUEST, query="annual leave days for zed1@example.org")
    answer, _ = ask(bench, reader, request)
    assert [passage for _, passage in score.given] == [
        f"{one.title}\n{one.text}" for one in answer.passages[:PASSAGES_READ]
    ]
    assert len(answer.passages) > PASSAGES_READ
    assert not any("board" in passage for _, passage in score.given)
    assert {question for question, _ in score.given} == {score.given[0][0]}
    assert "zed1" not in score.given[0][0]
    assert "[EMAIL_ADDRESS_" in score.given[0][0]


@pytest.mark.parametrize("fitted", ["fake@0", ""])
def test_a_model_that_was_fitted_with_another_reader_or_none_does_not_speak(bench: Bench, fitted: str) -> None:
    now = reader_of(Recording())
    if fitted:
        fitted_with(bench, reader_of(Recording(), name=fitted))
    else:
        calibrate(bench)
    answer, kept = ask(bench, now)
    assert is_handed_off(answer)
    assert kept.features is not None
    if fitted:
        assert is_handed_off(ask(bench, None)[0])


def test_what_makes_it_stale_is_named(bench: Bench) -> None:
    calibrate(bench)
    used = reading(bench, reader_of(Recording()))
    with bench.database.reading() as session:
        searched = used.lookup.open(session, catalog.require(session, HR), who("staff", "law"), PURPOSE, bench.clock())
        assert isinstance(searched, Opened)
        stored = calibrations.latest(session, HR)
        assert stored is not None
        standing = Ledge().standing(
            session,
            Spoken(model=Model.load(stored), failed=None),
            searched.generation,
            searched.visible,
            used.lookup.makers(searched.source),
        )
    assert standing.causes == (Staleness.READER,)


def _failing(_question: str, _passage: str) -> float:
    raise RuntimeError("the passage said")


@pytest.mark.parametrize("score", [_failing, Recording(math.nan), Recording(math.inf)])
def test_without_a_score_the_answer_is_a_hand_off(bench: Bench, score: Callable[[str, str], float]) -> None:
    reader = reader_of(score)
    fitted_with(bench, reader)
    answer, kept = ask(bench, reader)
    assert is_handed_off(answer)
    assert kept.features is None
    with pytest.raises(DependencyError) as caught:
        reader.score("question", ["passage"])
    assert "the passage said" not in f"{caught.value}{caught.value.__cause__}"


def test_a_reader_that_takes_too_long_holds_up_no_answer(bench: Bench) -> None:
    done = Event()

    def slow(_question: str, _passage: str) -> float:
        done.wait(30)
        return 0.5

    reader = reader_of(slow, patience_s=0.05)
    fitted_with(bench, reader)
    used = reading(bench, reader)
    try:
        with ThreadPoolExecutor(3) as several:
            answers = list(several.map(lambda _: ask(bench, used)[0], range(3)))
        assert all(map(is_handed_off, answers))
        assert not done.is_set()
    finally:
        done.set()
        reader.close()


def test_nobody_waits_for_a_reader_that_somebody_has_given_up() -> None:
    done, given = Event(), []

    def hanging(question: str, _passage: str) -> float:
        given.append(question)
        done.wait(30)
        return 0.5

    reader = reader_of(hanging, patience_s=0.05)
    with pytest.raises(DependencyError, match="took too long"):
        reader.score("first", ["passage"])
    with pytest.raises(DependencyError, match="still at a question"):
        reader.score("second", ["passage"])
    done.set()

    def reads_again() -> bool:
        with suppress(DependencyError):
            return reader.score("third", ["passage"]) == 0.5
        return False

    assert comes_true(reads_again)
    assert given == ["first", "third"]
    reader.close()


@pytest.mark.parametrize("second", [math.nan, -math.inf])
def test_no_number_for_one_passage_is_no_score(second: float) -> None:
    scores = iter([0.5, second])
    reader = reader_of(lambda _question, _passage: next(scores))
    with pytest.raises(DependencyError, match="gave no number"):
        reader.score("question", ["one", "another"])
    reader.close()


def test_a_closed_reader_ends_what_it_reads_and_refuses_what_waits() -> None:
    begun, done = Event(), Event()

    def slow(_question: str, _passage: str) -> float:
        begun.set()
        done.wait(30)
        return 0.5

    reader = reader_of(slow)
    with ThreadPoolExecutor(2) as several:
        reads = several.submit(reader.score, "question", ["passage"])
        begun.wait(30)
        waits = several.submit(reader.score, "question", ["passage"])
        reader.close()
        done.set()
        assert reads.result() == 0.5
        with pytest.raises(DependencyError, match="is closed"):
            waits.result()
    with pytest.raises(DependencyError, match="is closed"):
        reader.score("question", ["passage"])


class Odd(Lookup):
    """Finds a feature that is no number."""

    def features(
        self, opened: Opened, found: Found, question: Question, passages: Sequence[PassageText]
    ) -> tuple[float, ...]:
        return (math.nan, *super().features(opened, found, question, passages)[1:])


@pytest.mark.parametrize("fitted", [True, False])
def test_a_feature_that_is_no_number_is_a_hand_off(bench: Bench, *, fitted: bool) -> None:
    fitted_with(bench, reader_of(Recording()))
    if fitted:
        calibrate(bench)
    plain = retrieval(bench)
    odd = Odd(**{one.name: getattr(plain.lookup, one.name) for one in fields(Lookup)})
    answer, kept = ask(bench, replace(plain, lookup=odd))
    assert is_handed_off(answer)
    assert kept.features is None


def test_without_a_reader_everything_is_as_before_there_were_any(bench: Bench) -> None:
    assert repr(MAKERS) == "Makers(embedder='e1', analyser='a1', splitter='s1', redactor='r1')"
    assert MAKERS.schema == SCHEMA
    calibrate(bench)
    with bench.database.reading() as session:
        stored = calibrations.latest(session, HR)
        lookup = retrieval(bench).lookup
        searched = lookup.open(session, catalog.require(session, HR), STAFF, PURPOSE, bench.clock())
        assert isinstance(searched, Opened)
        question = Question(text=REQUEST.query)
        found = lookup.look(searched, question, k=READ)
        passages = lookup.read(session, found.hits)
    assert stored is not None
    assert set(json.loads(stored)["makers"]) == {"embedder", "analyser", "splitter", "redactor"}
    assert Model.load(stored).makers.reader == ""
    assert lookup.features(searched, found, question, passages) == features(found.evidence, passages, ("en",))


def test_a_model_has_a_coefficient_for_a_reader_if_it_was_fitted_with_one(bench: Bench) -> None:
    fitted_with(bench, reader_of(Recording()))
    with bench.database.reading() as session:
        stored = calibrations.latest(session, HR)
    assert stored is not None
    model = Model.load(stored)
    assert Model.load(model.dump()) == model
    for makers in (model.makers, replace(model.makers, reader="")):
        odd = replace(model, makers=makers)
        if makers == model.makers:
            odd = replace(odd, linear=replace(odd.linear, coefficients=odd.linear.coefficients[:-1]))
        with pytest.raises(IntegrityError):
            Model.load(odd.dump())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("bert", "'bert' is none of late-interaction, cross-encoder"),
        ("late-interaction:/models/x", "has no files of its own"),
        ("late-interaction:", "has no files of its own"),
        ("cross-encoder", "has no absolute path behind it"),
        ("cross-encoder:models/x", "has no absolute path behind it"),
    ],
)
def test_a_setting_that_names_none_is_refused(text: str, said: str) -> None:
    with pytest.raises(SettingsError, match="PENSTOCK_READER") as caught:
        load({"PENSTOCK_READER": text})
    assert said in caught.value.message
    assert "Write late-interaction, or cross-encoder:" in caught.value.mend


def test_none_is_read_by_default() -> None:
    assert load({"PENSTOCK_READER": " "}).reader is None
    assert str(load({"PENSTOCK_READER": "cross-encoder:/models/x"}).reader) == "cross-encoder:/models/x"


def test_without_its_files_nothing_is_asked_and_the_doctor_says_so(
    made: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    del made
    named = f"cross-encoder:{tmp_path / 'none'}"
    with open_installation(settings(tmp_path / "home", PENSTOCK_READER=named)) as installation:
        with pytest.raises(DependencyError, match="The folder holds no model") as caught:
            installation.lookup()
        assert "unset PENSTOCK_READER" in caught.value.mend
    assert list(look_at_reader()) == []
    monkeypatch.setenv("PENSTOCK_READER", named)
    (found,) = look_at_reader()
    assert (found.ok, found.mend) == (False, caught.value.mend)


def test_a_folder_of_which_a_part_lies_elsewhere_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text("{}")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "model" / "weights").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(DependencyError, match="cannot be read whole"):
        Choice.parse(f"cross-encoder:{tmp_path / 'model'}").reader(_never)


@pytest.fixture(scope="module")
def mini_lm() -> MiniLmEmbedder:
    return load_embedder(locate_model(None), precision="fp32", threads=1)


@pytest.fixture
def late(mini_lm: MiniLmEmbedder) -> Iterator[Reader]:
    reader = Choice.parse("late-interaction").reader(lambda: mini_lm)
    yield reader
    reader.close()


def test_late_interaction_tells_a_passage_that_answers(late: Reader) -> None:
    question = "How many days of leave does a new employee have?"
    answering, other = "Leave\nNew employees have 25 days of annual leave.", "Expenses\nSend every receipt."
    best = late.score(question, [answering])
    assert late.score(question, [other]) < best <= 1.0
    assert late.score(question, [other, answering]) == best
    assert late.score(question, [other, other, answering]) < best
    assert late.score("", [answering]) == late.score(question, [""]) == 0.0


def test_a_cross_encoder_reads_from_its_folder_alone_and_runs_nothing_from_it(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    _save_cross_encoder(folder)
    choice = Choice.parse(f"cross-encoder:{folder}")
    reader = choice.reader(_never)
    score = reader.score("How many days?", ["Twenty five days."])
    assert score == pytest.approx(load_cross_encoder(folder)("How many days?", "Twenty five days.") / 10)
    reader.close()
    (folder / "modeling.py").write_text("raise SystemExit")
    refused = choice.reader(_never)
    with pytest.raises(DependencyError, match=r"could run code: modeling\.py"):
        refused.warm()
    refused.close()
    (folder / "modeling.py").unlink()
    (folder / "model.safetensors").unlink()
    empty = choice.reader(_never)
    with pytest.raises(DependencyError, match="does not load"):
        empty.warm()
    empty.close()


def _never() -> MiniLmEmbedder:
    raise AssertionError("nothing is embedded")


def _save_cross_encoder(folder: Path) -> None:
    """A small one with random weights, and the embedder's words."""
    from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast

    words = str(locate_model(None) / "tokenizer.json")
    tokenizer = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_file=words, pad_token="[PAD]", model_max_length=64
    )
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
    )
    config.num_labels = 1
    BertForSequenceClassification(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
