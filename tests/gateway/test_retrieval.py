import itertools
import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import text as sql
from sqlmodel import Session

from gateway import keys as api_keys
from gateway.answer import MOST_UNMATCHED, NOTHING_VISIBLE, Answer, RetrievalRequest
from gateway.confidence import Certificate, features
from gateway.guardrail import Cause
from gateway.identity import Identity
from gateway.lookup import Lookup, Opened, QueryError, Question
from gateway.retrieval import ANCHOR_EVERY, Retrieval
from gateway.tokens import Tokens
from indexer import calibrations, catalog, register
from indexer.database import Database
from indexer.search import READ
from indexer.shelf import Shelf
from policies import ledger
from policies.errors import AuditError, DependencyError, QuarantineError
from policies.manifest import Source
from policies.model import Action, Agent, AuditEvent, Caller, ConfidenceStatus, Node, SourceName, Verdict
from tests import catalogs
from tests.gateway.calibrating import PURPOSE, model_of
from tests.indexer.copies import Template
from tests.indexer.workbench import (
    ACTOR,
    MODIFIED,
    NOW,
    Bench,
    File,
    create,
    opened,
    parse_manifest,
    text,
    with_database,
)
from tests.policies import handbook

HR, LEGAL = SourceName("hr-handbook"), SourceName("legal")
BOT = Agent(subject="bot-7", groups=frozenset({"staff"}), purposes=frozenset({"employee-support"}), region="gb")
NODE = Node(process_region="gb", store_regions=frozenset({"gb"}), system_region="gb")
LEAVE = text("Leave", "Annual leave is twenty five days a year.")
FILES: Mapping[str, File] = {
    "leave.md": LEAVE,
    "carry.md": text("Carry over", "Annual leave of five days may be carried over into the next year."),
    "board/leave.md": text("Leave of the board", "Annual leave of the board is forty days."),
    "old.md": replace(text("Old leave", "Annual leave was twenty days a year."), modified=NOW - timedelta(days=729)),
}


def who(*groups: str, **changes: object) -> Caller:
    caller = Caller(subject="ann", groups=frozenset(groups), purposes=frozenset({PURPOSE}), region="gb")
    return replace(caller, **changes)  # type: ignore[arg-type]


STAFF, BOARD = who("staff"), who("board")
_REQUESTS = itertools.count(2)
REQUEST = RetrievalRequest(query="annual leave days", purpose=PURPOSE, sources=None, k=10, conversation=None)


def retrieval(bench: Bench, *, node: Node = NODE) -> Retrieval:
    return Retrieval(
        database=bench.database,
        lookup=Lookup(
            keyring=bench.keyring,
            shelf=Shelf(home=bench.home),
            redactor=bench.stages.redactor,
            embedder=bench.stages.embedder,
            node=node,
        ),
        identity=Identity(reading=bench.database.reading, tokens=Tokens((), fetch=_no_fetch)),
        clock=bench.clock,
    )


def _no_fetch(_: str) -> bytes:
    raise AssertionError("no issuer is configured")


def apply(bench: Bench, *swaps: tuple[str, str]) -> Source:
    content = handbook.bend(*swaps)
    source = parse_manifest(content)
    register.apply(bench.workshop, source, manifest=content, path=Path("x.yaml"), actor=ACTOR)
    return source


def ask(bench: Bench, caller: Caller, request: RetrievalRequest = REQUEST, *, node: Node = NODE) -> Answer:
    return retrieval(bench, node=node).retrieve(caller, request, request_id=f"r{next(_REQUESTS)}")


def cited(bench: Bench, answer: Answer) -> set[str]:
    """The cited documents by origin id and source."""
    ids = {
        bench.keyring.document_id(source, name): f"{source}:{name}"
        for source in (HR, LEGAL)
        for name in bench.origin.files
    }
    return {ids[passage.document] for passage in answer.passages}


def fill(bench: Bench) -> None:
    bench.origin.files = dict(FILES)
    bench.sync(apply(bench))


@pytest.fixture
def bench(filled: Template, tmp_path: Path) -> Iterator[Bench]:
    with filled.copied(tmp_path / "home") as made:
        yield made


@pytest.mark.parametrize(
    ("caller", "seen"),
    [
        (STAFF, {"leave.md", "carry.md", "old.md"}),
        (BOARD, {"board/leave.md"}),
        (who("staff", "board"), set(FILES)),
        (who("staff", "board", "contractors"), set()),
        (who("contractors"), set()),
        (who(), set()),
        (who("STAFF"), set()),
        (who("group:staff"), set()),
    ],
)
def test_a_caller_is_shown_exactly_what_the_rules_allow(bench: Bench, caller: Caller, seen: set[str]) -> None:
    assert cited(bench, ask(bench, caller)) == {f"{HR}:{name}" for name in seen}


def test_a_passage_is_cited_with_all_that_a_citation_needs(bench: Bench) -> None:
    answer = ask(bench, STAFF, replace(REQUEST, k=1))
    (passage,) = answer.passages
    assert passage.text in {"Annual leave is twenty five days a year.", "Annual leave was twenty days a year."}
    assert (passage.source, passage.ordinal, passage.page) == (HR, 0, None)
    assert passage.title in {"Leave", "Old leave"}
    assert passage.uri.startswith("https://origin.example/")
    assert 0 < passage.score <= 1
    assert answer.verdict is Verdict.HANDOFF
    assert answer.reasons == (Cause.UNCALIBRATED,)


def expired(bench: Bench) -> None:
    bench.clock.forward(timedelta(days=1000))


def emptied(bench: Bench) -> None:
    bench.origin.files = {}
    bench.sync(apply(bench), confirm_deletes=True)


def nothing(_: Bench) -> None:
    pass


@pytest.mark.parametrize(
    ("prepare", "caller", "request_", "node", "denied"),
    [
        (nothing, STAFF, replace(REQUEST, sources=frozenset({SourceName("unknown")})), NODE, None),
        (nothing, who("temps"), REQUEST, NODE, "hr-handbook:no_allow_rule"),
        (nothing, who("staff", "contractors"), REQUEST, NODE, "hr-handbook:deny_rule"),
        (nothing, STAFF, replace(REQUEST, purpose="marketing"), NODE, "hr-handbook:purpose_not_of_source"),
        (nothing, who("staff", purposes=frozenset()), REQUEST, NODE, "hr-handbook:purpose_not_of_caller"),
        (nothing, who("staff", region="us"), REQUEST, NODE, "hr-handbook:caller_region"),
        (nothing, who("staff", region=None), REQUEST, NODE, "hr-handbook:caller_region_unknown"),
        (
            nothing,
            STAFF,
            REQUEST,
            Node(process_region="us", store_regions=frozenset({"gb"}), system_region="gb"),
            "hr-handbook:process_region",
        ),
        (
            nothing,
            STAFF,
            REQUEST,
            Node(process_region="gb", store_regions=frozenset({None}), system_region="gb"),
            "hr-handbook:store_region",
        ),
        (expired, STAFF, REQUEST, NODE, "hr-handbook:nothing_to_show"),
        (emptied, STAFF, REQUEST, NODE, "hr-handbook:no_generation"),
        (lambda bench: apply(bench, ("serving: on", "serving: off")), STAFF, REQUEST, NODE, "hr-handbook:serving_off"),
        (
            lambda bench: apply(bench, ("state: active", "state: suspended")),
            STAFF,
            REQUEST,
            NODE,
            "hr-handbook:source_not_active",
        ),
    ],
)
def test_every_denial_is_the_same_answer_and_the_audit_knows_why(
    bench: Bench,
    prepare: Callable[[Bench], None],
    caller: Caller,
    request_: RetrievalRequest,
    node: Node,
    denied: str | None,
) -> None:
    prepare(bench)
    assert ask(bench, caller, request_, node=node) == NOTHING_VISIBLE
    record = bench.audit()[-1]
    assert record.action == Action.RETRIEVED
    assert f'"denied":[{chr(34) + denied + chr(34) if denied else ""}]' in record.detail
    assert re.fullmatch(r'\["r\d+"\]', record.objects)


def test_names_that_are_no_sources_are_counted_in_the_audit_and_not_repeated(bench: Bench) -> None:
    names = frozenset({SourceName("jane doe has measles"), SourceName("x"), LEGAL})
    assert ask(bench, STAFF, replace(REQUEST, sources=names)) == NOTHING_VISIBLE
    record = bench.audit()[-1]
    assert '"unknown":3' in record.detail
    assert "measles" not in str(record)


def test_a_document_past_its_retention_is_not_shown_however_late_the_purge(bench: Bench) -> None:
    bench.clock.forward(timedelta(days=2))
    assert cited(bench, ask(bench, STAFF)) == {f"{HR}:leave.md", f"{HR}:carry.md"}


HIDDEN: Mapping[str, File] = {
    "board/leave.md": FILES["board/leave.md"],
    "board/secret.md": text("Annual leave", "Annual leave days annual leave days annual leave days."),
    "board/same.md": LEAVE,
    "gone.md": replace(text("Annual", "Annual leave days of long ago."), modified=MODIFIED - timedelta(days=550)),
}


@contextmanager
def twin(folder: Path, files: Mapping[str, File]) -> Iterator[Bench]:
    """An installation with the keys of its twin, so that ids and pseudonyms agree."""
    with opened(folder, now=NOW - timedelta(days=30)) as made:
        made.origin.files = dict(files)
        made.sync(apply(made))
        made.clock.now = NOW + timedelta(days=60)
        yield made


@pytest.fixture(scope="module")
def twins(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Bench, Bench]]:
    """One installation with, and one without, documents that staff may not see, or not any more."""
    folder = tmp_path_factory.mktemp("twins")
    shown = {name: file for name, file in FILES.items() if not name.startswith(("board/", "old"))}
    shown |= {f"copy{number}.md": LEAVE for number in range(12)}
    create(folder / "with")
    with opened(folder / "with") as seed:
        seed.keyring.begin_source(HR)
    catalogs.copy_home(folder / "with", folder / "without")
    with ExitStack() as stack:
        stack.callback(catalogs.drop, folder)
        yield (
            stack.enter_context(twin(folder / "with", {**shown, **HIDDEN})),
            stack.enter_context(twin(folder / "without", shown)),
        )


@settings(max_examples=60)
@given(
    words=st.lists(
        st.sampled_from(["annual", "leave", "days", "board", "forty", "secret", "carry", "xyzzy", "zed1@example.org"]),
        min_size=1, max_size=6,
    ),
    k=st.integers(1, 20),
)  # fmt: skip
def test_an_answer_is_the_same_to_the_bit_whether_or_not_hidden_documents_exist(
    twins: tuple[Bench, Bench], words: list[str], k: int
) -> None:
    with_hidden, without = twins
    assert len(with_hidden.generation(handbook.source()).members()) == len(HIDDEN) + 14
    assert len(without.generation(handbook.source()).members()) == 14
    request = replace(REQUEST, query=" ".join(words), k=k)
    answer = ask(with_hidden, STAFF, request)
    assert answer == ask(without, STAFF, request)
    assert len(answer.passages) == min(k, 14)


def calibrate(bench: Bench, source: SourceName = HR, *, k: int = 5, max_risk: float = 0.05, **changes: object) -> None:
    """A model for what staff see whose threshold everything passes, as if it kept this risk."""
    readers = who("staff", "law")
    with bench.database.writing() as session:
        searched = retrieval(bench).lookup.open(
            session, catalog.require(session, source), readers, PURPOSE, bench.clock()
        )
        assert isinstance(searched, Opened)
        known = model_of(searched, retrieval(bench).lookup)
        model = replace(known, k=k, max_risk=max_risk, **changes)  # type: ignore[arg-type]
        calibrations.store(session, source, calibration="c1", model=model.dump(), now=NOW)


@settings(max_examples=40, deadline=None)
@given(
    words=st.lists(
        st.sampled_from(["Annual", "leave", "days", "Board", "forty", "secret", "2026", "carry", "xyzzy"]),
        max_size=6,
    ),
    masked=st.sets(st.sampled_from([f"copy{number}.md" for number in range(12)])),
)  # fmt: skip
def test_what_is_hidden_leaks_into_no_feature(twins: tuple[Bench, Bench], words: list[str], masked: set[str]) -> None:
    """Nor does what is hidden for this question alone, as the answers to golden questions are to learn from."""
    with_hidden, without = twins
    rows = []
    for one, names in ((with_hidden, {*HIDDEN, *masked}), (without, masked)):
        lookup = retrieval(one).lookup
        with one.database.reading() as session:
            everybody = who("staff", "board")
            opened = lookup.open(session, catalog.require(session, HR), everybody, PURPOSE, one.clock())
            assert isinstance(opened, Opened)
            hidden = opened.hidden | {one.id(handbook.source(), name) for name in names}
            seen = replace(opened, hidden=hidden, visible=opened.generation.visible(opened.permits, hidden))
            found = lookup.look(seen, Question(text=" ".join(words)), k=READ)
            rows.append(features(found.evidence, lookup.read(session, found.hits), ("en",)))
    assert rows[0] == rows[1]
    assert any(rows[0])


def test_an_answer_says_what_is_missing(bench: Bench) -> None:
    calibrate(bench)
    query = "Which sabbatical leave, xyzzy, has zed77@example.org?"
    answer = ask(bench, STAFF, replace(REQUEST, query=query, sources=frozenset({HR})))
    assert answer.confidence.missing_labels == 1
    # No pseudonym: it would tell whose the others are.
    assert answer.unmatched_terms == ("sabbatical", "xyzzy", "[EMAIL_ADDRESS]")
    many = " ".join(f"xyzzy{number}" for number in range(99))
    assert len(ask(bench, STAFF, replace(REQUEST, query=many)).unmatched_terms) == MOST_UNMATCHED


def test_an_answer_is_given_from_a_certified_threshold_on(bench: Bench) -> None:
    for threshold, verdict, causes in (
        (0.0, Verdict.ANSWER, ()),
        (1.0, Verdict.CAUTION, (Cause.BELOW_CERTIFIED,)),
    ):
        certificate = Certificate(threshold=threshold, max_risk=0.05, delta=0.1, labels=100, served=60, wrong=0)
        calibrate(bench, certificate=certificate, labels=200)
        answer = ask(bench, STAFF)
        assert (answer.verdict, answer.reasons) == (verdict, causes)
        assert answer.confidence.status is ConfidenceStatus.CERTIFIED
        assert ask(bench, BOARD).verdict is Verdict.CAUTION


def test_confidence_and_verdict_are_the_same_with_and_without_hidden_documents(twins: tuple[Bench, Bench]) -> None:
    for one in twins:
        calibrate(one)
    answers = [ask(one, STAFF) for one in twins]
    assert answers[0] == answers[1]
    assert answers[0].confidence.status is ConfidenceStatus.PROVISIONAL
    assert answers[0].verdict is Verdict.CAUTION
    assert answers[0].reasons == (Cause.PROVISIONAL,)


def test_a_calibration_is_stale_for_callers_who_see_other_documents(bench: Bench) -> None:
    calibrate(bench)
    assert ask(bench, STAFF).confidence.status is ConfidenceStatus.PROVISIONAL
    for caller in (BOARD, who("staff", "board")):
        assert ask(bench, caller).confidence.status is ConfidenceStatus.STALE


def test_what_others_alone_may_see_makes_no_calibration_stale(bench: Bench) -> None:
    """Else its status would tell of a document that the caller may not know of."""
    calibrate(bench)
    bench.origin.files["board/new.md"] = text("New", "Nothing about it.")
    bench.sync(handbook.source())
    assert ask(bench, STAFF).confidence.status is ConfidenceStatus.PROVISIONAL


def test_of_fewer_passages_than_it_was_fitted_on_a_calibration_knows_nothing(bench: Bench) -> None:
    calibrate(bench, k=5)
    for k, status in ((4, ConfidenceStatus.UNCALIBRATED), (5, ConfidenceStatus.PROVISIONAL)):
        confidence = ask(bench, STAFF, replace(REQUEST, k=k)).confidence
        assert confidence.status is status
        assert (confidence.value is None) == (k == 4)


def test_a_threshold_for_a_higher_risk_than_the_source_now_bears_says_nothing(bench: Bench) -> None:
    calibrate(bench, max_risk=0.05)
    assert ask(bench, STAFF).verdict is Verdict.CAUTION
    apply(bench, ("max_risk: 0.05", "max_risk: 0.04"))
    answer = ask(bench, STAFF)
    assert answer.verdict is Verdict.HANDOFF
    assert answer.confidence.status is ConfidenceStatus.PROVISIONAL
    apply(bench, ("max_risk: 0.05", "max_risk: 0.06"))
    assert ask(bench, STAFF).verdict is Verdict.CAUTION


def test_a_calibration_is_stale_for_another_index(bench: Bench) -> None:
    calibrate(bench)
    assert ask(bench, STAFF).confidence.status is ConfidenceStatus.PROVISIONAL
    bench.origin.files["new.md"] = text("New", "Nothing about it.")
    bench.sync(handbook.source())
    answer = ask(bench, STAFF)
    assert answer.confidence.status is ConfidenceStatus.STALE
    assert Cause.STALE in answer.reasons
    assert answer.verdict is not Verdict.ANSWER


def test_personal_data_in_a_question_meets_its_pseudonym_in_the_documents(bench: Bench) -> None:
    bench.origin.files["zed.md"] = text("Contact", "Ask zedekiah@example.org about parking.")
    bench.sync(handbook.source())
    answer = ask(bench, STAFF, replace(REQUEST, query="zedekiah@example.org", k=1))
    (passage,) = answer.passages
    assert passage.text.startswith("Ask [EMAIL_ADDRESS_")
    assert "zedekiah" not in str(answer)


@pytest.mark.parametrize(
    ("reason", "error"),
    [
        *((reason, DependencyError) for reason in ("timeout", "crashed", "out_of_memory", "redaction_timeout")),
        *((reason, QueryError) for reason in ("recogniser_failed", "redaction_endless", "redaction_not_covered")),
    ],
)
def test_a_question_that_cannot_be_redacted_is_not_searched(bench: Bench, reason: str, error: type[Exception]) -> None:
    """The caller can mend the one and not the other."""
    bench.stages.detector.broken = QuarantineError("Slow.", reason=reason, stage="redact", mend="Split it.")
    records, queries = len(bench.audit()), bench.stages.counting.queries
    with pytest.raises(error, match="not be redacted"):
        ask(bench, STAFF)
    assert (len(bench.audit()), bench.stages.counting.queries) == (records, queries)


@pytest.mark.parametrize(
    ("reason", "mend"),
    [
        ("language_not_covered", "Put it in a language that the documents are in."),
        ("redaction_not_covered", "Give the request id to the operator: other words would not do."),
        ("too_large", "Shorten it."),
        ("recogniser_failed", "Put it in other words, without lists of numbers."),
    ],
)
def test_who_asks_what_cannot_be_redacted_is_told_what_would_do(bench: Bench, reason: str, mend: str) -> None:
    bench.stages.detector.broken = QuarantineError("NEEDLE.", reason=reason, stage="redact", mend="NEEDLE.")
    with pytest.raises(QueryError) as caught:
        ask(bench, STAFF)
    assert caught.value.mend == mend
    assert "NEEDLE" not in str(caught.value)
    assert REQUEST.query not in str(caught.value)


def test_the_record_of_an_answer_names_what_was_shown_and_no_words(bench: Bench) -> None:
    answer = ask(bench, who("staff", agent=BOT, credential="key:k1"), replace(REQUEST, conversation="c-9"))
    record = bench.audit()[-1]
    shown = [passage.document for passage in answer.passages]
    assert record.actor == "caller:ann"
    request_id, *named = json.loads(record.objects)
    assert re.fullmatch(r"r\d+", request_id)
    assert named == shown
    for part in (
        '"agent":"bot-7"',
        '"credential":"key:k1"',
        f'"conversation":"{bench.keyring.fingerprint("conversation", "c-9")}"',
        '"passages":3',
        '"sources":["hr-handbook"]',
    ):
        assert part in record.detail
    assert "leave" not in str(record)


def test_there_is_no_answer_without_a_record(bench: Bench) -> None:
    statement = {
        "sqlite": "CREATE TRIGGER no BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'no'); END",
        "postgresql": "ALTER TABLE audit ADD CONSTRAINT no CHECK (false) NOT VALID",
    }[catalogs.kind()]
    with bench.database.writing() as session:
        session.connection().execute(sql(statement))
    for caller in (STAFF, who()):
        with pytest.raises(AuditError):
            ask(bench, caller)


NO_ROOM = {
    "sqlite": ("PRAGMA max_page_count = 1", "CREATE TABLE filler (x)"),
    "postgresql": ("DO $$ BEGIN RAISE disk_full; END $$",),
}


class ReadOnly(Database):
    """A catalog on a disk that takes no more."""

    @contextmanager
    def writing(self) -> Iterator[Session]:
        with super().writing() as session:
            for statement in NO_ROOM[catalogs.kind()]:
                session.connection().exec_driver_sql(statement)
            yield session


def test_a_disk_that_is_full_means_no_answer(bench: Bench) -> None:
    full = ReadOnly(bench.place, [])
    with pytest.raises(AuditError, match="durable"):
        ask(with_database(bench, full), STAFF)
    full.close()


def test_looking_at_sources_is_on_record_or_there_is_no_answer(bench: Bench) -> None:
    (listed,) = retrieval(bench).sources(replace(STAFF, credential="key:1"), request_id="r7")
    record = bench.audit()[-1]
    assert (record.actor, record.action, record.objects) == ("caller:ann", Action.SOURCES_LISTED, '["r7"]')
    assert json.loads(record.detail) == {"agent": None, "credential": "key:1", "region": "gb", "sources": [listed.name]}
    full = ReadOnly(bench.place, [])
    with pytest.raises(AuditError, match="durable"):
        retrieval(with_database(bench, full)).sources(STAFF, request_id="r8")
    full.close()


def test_a_catalog_that_another_process_holds_means_no_answer(bench: Bench) -> None:
    impatient = Database(bench.place, [], busy_timeout_ms=20)
    with bench.database.writing(), pytest.raises(AuditError):
        ask(with_database(bench, impatient), STAFF)
    impatient.close()


def test_what_another_process_revokes_is_gone_with_the_next_call(bench: Bench) -> None:
    serving = retrieval(bench)

    def seen() -> set[str]:
        return cited(bench, serving.retrieve(STAFF, REQUEST, request_id=f"r{next(_REQUESTS)}"))

    assert f"{HR}:leave.md" in seen()
    with opened(bench.home.root, now=NOW, first_id=500) as other:
        with other.database.writing() as session:
            catalog.remove(session, HR, [other.keyring.document_id(HR, "leave.md")])
        assert seen() == {f"{HR}:carry.md", f"{HR}:old.md"}
        apply(other, ("allow: [group:staff]", "allow: [group:managers]"))
        assert seen() == set()
        apply(other)
        assert seen() == {f"{HR}:carry.md", f"{HR}:old.md"}
        apply(other, ("serving: on", "serving: off"))
        assert seen() == set()


def test_a_key_that_is_revoked_is_refused_with_the_next_call(bench: Bench) -> None:
    assert api_keys.PREFIX
    from gateway.credential import CredentialError

    with pytest.raises(CredentialError):
        retrieval(bench).verify(f"Bearer {api_keys.PREFIX}unknown")


@dataclass(frozen=True, kw_only=True)
class ReplacedOnce(Shelf):
    """While the first request is between catalog and index, another process publishes."""

    between: list[Callable[[], object]]

    def generation(self, registered: catalog.Registration):  # type: ignore[no-untyped-def]  # noqa: ANN201
        while self.between:
            self.between.pop()()
        return super().generation(registered)


def test_a_request_whose_index_is_replaced_under_it_starts_again(bench: Bench) -> None:
    def publish() -> None:
        bench.origin.files["leave.md"] = text("Leave", "Annual leave is thirty days a year.")
        with opened(bench.home.root, origin=bench.origin, first_id=500) as other:
            other.sync(handbook.source())

    serving = retrieval(bench)
    shelf = ReplacedOnce(home=bench.home, between=[publish])
    serving = replace(serving, lookup=replace(serving.lookup, shelf=shelf))
    answer = serving.retrieve(STAFF, REQUEST, request_id="r1")
    assert "Annual leave is thirty days a year." in {passage.text for passage in answer.passages}
    assert [record.action for record in bench.audit()].count(Action.RETRIEVED) == 1


def test_a_request_whose_keys_go_under_it_starts_again_and_then_gives_up(bench: Bench) -> None:
    bench.keyring.destroy(keys=bench.keyring.document_key_ids())
    with pytest.raises(DependencyError, match="replaced while it was searched"):
        ask(bench, STAFF)


def damage(bench: Bench, source: Source) -> None:
    registered = bench.registered(source)
    assert registered.generation is not None
    path = bench.home.generation(source.name, registered.generation) / "vectors.bin"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def test_a_damaged_index_gives_nothing_and_the_audit_knows_why(bench: Bench) -> None:
    serving = retrieval(bench)
    assert serving.failing() == ()
    damage(bench, handbook.source())
    assert serving.failing() == ()
    assert ask(bench, STAFF) == NOTHING_VISIBLE
    assert '"denied":["hr-handbook:index_unavailable"]' in bench.audit()[-1].detail
    assert retrieval(bench).sources(STAFF, request_id="r1") == ()
    assert retrieval(bench).failing() == ("index",)


def test_a_damaged_index_closes_no_other_source(bench: Bench) -> None:
    damage(bench, legal(bench))
    answer = ask(bench, who("staff", "law"))
    assert cited(bench, answer) == {f"{HR}:{name}" for name in ("leave.md", "carry.md", "old.md")}
    assert '"denied":["legal:index_unavailable"]' in bench.audit()[-1].detail
    assert [source.name for source in retrieval(bench).sources(who("staff", "law"), request_id="r1")] == [HR]
    assert retrieval(bench).failing() == ()


def test_a_damaged_index_is_no_business_of_callers_who_may_not_ask_its_source(bench: Bench) -> None:
    """It is not even opened for them: neither its state nor the time that takes is theirs to see."""
    source = apply(bench, ("source: hr-handbook", "source: legal"), ("purposes: [employee-support]", "purposes: [law]"))
    bench.sync(source)
    damage(bench, source)
    assert cited(bench, ask(bench, STAFF)) == {f"{HR}:{name}" for name in ("leave.md", "carry.md", "old.md")}
    assert '"denied":["legal:purpose_not_of_source"]' in bench.audit()[-1].detail
    lawyer, law = who("staff", purposes=frozenset({"law"})), replace(REQUEST, purpose="law", sources=frozenset({LEGAL}))
    for caller, reason in ((replace(lawyer, region="us"), "caller_region"), (lawyer, "index_unavailable")):
        assert ask(bench, caller, law) == NOTHING_VISIBLE
        assert f'"denied":["legal:{reason}"]' in bench.audit()[-1].detail


def test_an_index_of_another_embedder_closes(bench: Bench) -> None:
    bench.stages.counting.identity = replace(bench.stages.identity, sha256="1" * 64)
    assert ask(bench, STAFF) == NOTHING_VISIBLE
    assert '"denied":["hr-handbook:index_unavailable"]' in bench.audit()[-1].detail
    assert retrieval(bench).failing() == ("index",)


def test_a_catalog_that_cannot_be_read_shows(bench: Bench) -> None:
    broken = Database(bench.home.root / "nowhere" / "catalog.db", [])
    assert retrieval(with_database(bench, broken)).failing() == ("catalog",)
    broken.close()


def legal(bench: Bench) -> Source:
    source = apply(bench, ("source: hr-handbook", "source: legal"), ("allow: [group:staff]", "allow: [group:law]"))
    bench.sync(source)
    return source


def test_several_sources_are_pooled_best_first_and_never_more_than_asked_for(bench: Bench) -> None:
    legal(bench)
    answer = ask(bench, who("staff", "law"), replace(REQUEST, k=4))
    scores = [passage.score for passage in answer.passages]
    assert scores == sorted(scores, reverse=True)
    assert len(answer.passages) == 4
    everything = ask(bench, who("staff", "law"))
    names = {"leave.md", "carry.md", "old.md"}
    assert cited(bench, everything) == {f"{source}:{name}" for source in (HR, LEGAL) for name in names}
    assert cited(bench, ask(bench, STAFF)) == {f"{HR}:{name}" for name in names}
    one = ask(bench, who("staff", "law"), replace(REQUEST, sources=frozenset({LEGAL})))
    assert cited(bench, one) == {f"{LEGAL}:{name}" for name in names}


def test_several_sources_carry_caution_at_the_most_and_say_so(bench: Bench) -> None:
    legal(bench)
    for source in (HR, LEGAL):
        calibrate(bench, source)
    answer = ask(bench, who("staff", "law"))
    assert Cause.SEVERAL_SOURCES in answer.reasons
    assert Cause.SEVERAL_SOURCES not in ask(bench, STAFF).reasons


def test_a_caller_is_told_the_sources_it_may_use_and_no_others(bench: Bench) -> None:
    legal(bench)
    serving = retrieval(bench)
    assert [source.name for source in serving.sources(who("staff", "law"), request_id="r1")] == [HR, LEGAL]
    assert [(source.name, source.title, source.purposes) for source in serving.sources(STAFF, request_id="r1")] == [
        (HR, "HR handbook", frozenset({PURPOSE}))
    ]
    assert serving.sources(who("staff", purposes=frozenset()), request_id="r1") == ()
    assert serving.sources(who(), request_id="r1") == ()


def anchored(bench: Bench) -> int:
    return bench.keyring.anchors()[-1].sequence


def record_up_to(bench: Bench, sequence: int) -> None:
    """Acts of others, which anchor nothing."""
    with bench.database.writing() as session:
        while ledger.current_head(session).sequence < sequence:
            ledger.append(session, AuditEvent(actor="x", action=Action.RETRIEVED), now=NOW)


def test_no_answer_leaves_with_too_many_records_behind_the_last_signed_head(bench: Bench) -> None:
    serving, last = retrieval(bench), anchored(bench)
    record_up_to(bench, last + ANCHOR_EVERY - 2)
    serving.retrieve(STAFF, REQUEST, request_id="r1")
    assert anchored(bench) == last
    record_up_to(bench, last + ANCHOR_EVERY)
    serving.retrieve(STAFF, REQUEST, request_id="r2")
    assert anchored(bench) == bench.audit()[-1].sequence == last + ANCHOR_EVERY + 1
    for process in (serving, retrieval(bench)):
        process.sources(STAFF, request_id="r3")
        assert anchored(bench) == last + ANCHOR_EVERY + 1


def test_an_anchor_that_failed_is_made_up_for(bench: Bench) -> None:
    serving, last = retrieval(bench), anchored(bench)
    record_up_to(bench, last + ANCHOR_EVERY - 1)
    with bench.keyring.database.writing(), pytest.raises(AuditError):
        serving.retrieve(STAFF, REQUEST, request_id="r1")
    assert anchored(bench) == last
    serving.retrieve(STAFF, REQUEST, request_id="r2")
    assert anchored(bench) == last + ANCHOR_EVERY + 1


def test_what_follows_in_a_catalog_that_was_put_back_is_anchored_too(bench: Bench) -> None:
    bench.keyring.anchor(ledger.Head(sequence=9999, hash="9" * 64), now=NOW)
    serving = retrieval(bench)
    for sequence in (ANCHOR_EVERY, 2 * ANCHOR_EVERY):
        record_up_to(bench, sequence - 1)
        serving.sources(STAFF, request_id="r1")
        assert sequence in {head.sequence for head in bench.keyring.anchors()}
