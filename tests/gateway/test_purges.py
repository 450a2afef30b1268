"""Purges and erasures over HTTP."""

import json
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from httpx2 import Response

from gateway.operate.privacy.schemas import PurgeBody, PurgesBody, grounds
from gateway.operate.schemas import MAX_NAMED
from gateway.requests import IN_FLIGHT
from indexer import erase, joblog, upkeep
from indexer.erase import Step
from indexer.joblog import Job, JobKind, JobState
from indexer.protect import place
from indexer.signature import verify_signature
from policies.errors import IntegrityError
from policies.manifest import Source
from policies.model import DocumentId, Role, SourceName
from policies.orders import OrderKind
from policies.purge import PurgeKind, is_genuine
from tests.gateway.dying import killed
from tests.gateway.fakes import ANN
from tests.gateway.operating import DSR, GROUND, KEY_TEXT, Office, office_over
from tests.gateway.test_app import problem_of
from tests.indexer.copies import Template
from tests.indexer.workbench import ACTOR, MODIFIED, Bench, text
from tests.policies import handbook

PURGES = "/v1/purges"
SOURCE = SourceName("hr-handbook")
NEEDLE = "NEEDLE-7f3a"
SECRET = "the-file-of-quentin.md"


def fill(bench: Bench) -> None:
    bench.origin.files = {
        SECRET: text("Quentin", "Quentin was warned in May."),
        "leave.md": text("Leave", "Everyone has some."),
    }
    bench.sync(bench.apply())


@pytest.fixture
def bench(filled: Template, tmp_path: Path) -> Iterator[Bench]:
    with filled.copied(tmp_path / "home") as made:
        yield made


@pytest.fixture
def source() -> Source:
    """A source of two documents, neither of which is past its retention."""
    return handbook.source()


@pytest.fixture
def office(bench: Bench, source: Source) -> Iterator[Office]:
    assert source.name == SOURCE
    made = office_over(bench)
    with made.client:
        yield made


def post(office: Office, body: object, *, path: str = PURGES, key: str = KEY_TEXT, who: str = "officer") -> Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    sent = {
        "Authorization": f"Bearer {who}",
        "Idempotency-Key": f'"{key}"',
        "Content-Type": "application/json",
    }
    return office.client.post(path, content=content, headers=sent)


def get(office: Office, path: str, *, who: str = "officer") -> Response:
    return office.client.get(path, headers={"Authorization": f"Bearer {who}"})


def purge_of(response: Response, status: int = 200) -> PurgeBody:
    assert response.status_code == status, response.text
    return PurgeBody.model_validate_json(response.content)


def erasure(office: Office, *names: str, **changes: object) -> dict[str, Any]:
    documents = [office.bench.keyring.document_id(SOURCE, name) for name in names or (SECRET,)]
    return {"source": SOURCE, "erasure": {"documents": documents, "reference": DSR, "ground": GROUND} | changes}


def worked(office: Office, source: Source, job: str) -> Job:
    """The job, done by a worker that is this process."""
    found = office.job(job)
    opener = upkeep.purging if found.kind is JobKind.PURGE else upkeep.erasing
    with opener(office.bench.workshop, source, found) as run:
        run.finish()
    return office.job(job)


RETENTION = {"source": SOURCE}


def test_a_purge_is_asked_for_and_run_by_a_worker_and_gives_its_receipt(office: Office, source: Source) -> None:
    office.bench.clock.now = MODIFIED + timedelta(days=800)
    response = post(office, RETENTION)
    asked = purge_of(response, 202)
    assert response.headers["location"] == f"{PURGES}/{asked.purge}"
    assert (asked.source, asked.kind, asked.state, asked.step) == (
        SOURCE, PurgeKind.RETENTION, JobState.QUEUED, None,
    )  # fmt: skip
    assert (asked.documents, asked.failure, asked.receipt) == (0, None, None)
    assert office.jobs.acts == [("ask", asked.purge, "caller:dora")]
    assert (office.job(asked.purge).kind, office.job(asked.purge).options) == (JobKind.PURGE, {})
    worked(office, source, asked.purge)
    done = get(office, response.headers["location"])
    body = purge_of(done)
    assert (body.state, body.step, body.documents) == (JobState.FINISHED, Step.RECEIPTED, 2)
    assert body.receipt is not None
    assert (body.receipt.receipt.purge, body.receipt.receipt.actor) == (asked.purge, "caller:dora")
    assert len(body.receipt.receipt.documents) == 2


def test_the_receipt_of_an_answer_is_the_one_that_was_signed(office: Office, source: Source) -> None:
    asked = purge_of(post(office, erasure(office)), 202)
    worked(office, source, asked.purge)
    receipt = get(office, f"{PURGES}/{asked.purge}").json()["receipt"]
    signed = json.dumps(receipt, indent=2, sort_keys=True)
    assert is_genuine(signed, verifier=verify_signature, public_key=office.bench.keyring.public_key())


def test_an_erasure_is_asked_for_by_documents_reference_and_ground(office: Office, source: Source) -> None:
    body = erasure(office)
    asked = purge_of(post(office, body), 202)
    assert asked.kind is PurgeKind.ERASURE
    assert (office.job(asked.purge).kind, office.job(asked.purge).options) == (JobKind.ERASE, body["erasure"])
    worked(office, source, asked.purge)
    done = purge_of(get(office, f"{PURGES}/{asked.purge}"))
    assert (done.state, done.documents) == (JobState.FINISHED, 1)
    assert done.receipt is not None
    assert list(done.receipt.receipt.documents) == body["erasure"]["documents"]
    assert done.receipt.receipt.reference == DSR
    assert office.bench.served(source) == {office.bench.id(source, "leave.md")}


def test_where_nothing_is_due_a_purge_is_finished_without_a_receipt(office: Office, source: Source) -> None:
    asked = purge_of(post(office, RETENTION), 202)
    worked(office, source, asked.purge)
    done = purge_of(get(office, f"{PURGES}/{asked.purge}"))
    assert (done.state, done.step, done.documents, done.receipt) == (JobState.FINISHED, None, 0, None)


def test_a_purge_of_a_command_has_the_same_address(office: Office, source: Source) -> None:
    office.bench.clock.now = MODIFIED + timedelta(days=800)
    (signed,) = erase.purge(office.bench.workshop, source, actor=ACTOR)
    purge = json.loads(signed)["receipt"]["purge"]
    response = get(office, f"{PURGES}/{purge}")
    assert purge_of(response).state is JobState.FINISHED
    assert response.json()["receipt"] == json.loads(signed)


def left_unfinished(office: Office, source: Source, job: Job) -> Job:
    """The job, failed when its documents were invisible already."""
    left = office.bench.home.root / "left-behind"
    left.write_text("Quentin was warned in May. " * 3)
    with pytest.raises(IntegrityError) as caught, upkeep.erasing(office.bench.workshop, source, job) as run:
        run.finish()
    left.unlink()
    with office.bench.database.writing() as session:
        joblog.end(session, job.id, JobState.FAILED, now=office.bench.clock(), error=caught.value)
    return office.job(job.id)


def test_a_purge_that_failed_says_how_far_it_is_and_is_finished_by_the_next(office: Office, source: Source) -> None:
    first = purge_of(post(office, erasure(office)), 202).purge
    left_unfinished(office, source, office.job(first))
    failed = purge_of(get(office, f"{PURGES}/{first}"))
    assert (failed.state, failed.step, failed.documents, failed.failure, failed.receipt) == (
        JobState.FAILED, Step.PUBLISHED, 1, "integrity", None,
    )  # fmt: skip
    second = purge_of(post(office, RETENTION, key="2"), 202).purge
    assert worked(office, source, second).notes == {"documents": 1, "purges": [first]}
    done = purge_of(get(office, f"{PURGES}/{first}"))
    assert (done.state, done.failure) == (JobState.FINISHED, None)
    assert done.receipt is not None
    empty = purge_of(get(office, f"{PURGES}/{second}"))
    assert (empty.state, empty.documents, empty.receipt) == (JobState.FINISHED, 0, None)


def test_purges_are_listed_the_youngest_first_without_receipts(office: Office, source: Source) -> None:
    office.written(kind=JobKind.VERIFY)
    first = purge_of(post(office, erasure(office)), 202).purge
    worked(office, source, first)
    office.bench.clock.now = MODIFIED + timedelta(days=800)
    (signed,) = erase.purge(office.bench.workshop, source, actor=ACTOR)
    second = json.loads(signed)["receipt"]["purge"]
    office.bench.clock.forward(timedelta(seconds=1))
    third = purge_of(post(office, RETENTION, key="3"), 202).purge
    response = get(office, PURGES)
    listed = PurgesBody.model_validate_json(response.content).purges
    assert [(one.purge, one.kind, one.state) for one in listed] == [
        (third, PurgeKind.RETENTION, JobState.QUEUED),
        (second, PurgeKind.RETENTION, JobState.FINISHED),
        (first, PurgeKind.ERASURE, JobState.FINISHED),
    ]
    assert "signature" not in response.text

    def ids(query: str) -> list[str]:
        return [one["purge"] for one in get(office, f"{PURGES}?{query}").json()["purges"]]

    assert ids("limit=2&source=hr-handbook") == [third, second]
    assert ids("source=ghosts") == []


@pytest.mark.parametrize(
    ("query", "path"), [("limit=0", "limit"), ("source=NEEDLE-7f3a", "source"), ("NEEDLE-7f3a=1", ""), ("state=x", "")]
)
def test_a_query_at_fault_is_named_and_never_echoed(office: Office, query: str, path: str) -> None:
    body = problem_of(get(office, f"{PURGES}?{query}"), 422, "query_invalid")
    assert [fault.path for fault in body.errors] == [path]


@pytest.mark.parametrize("purge", ["0" * 24, "ghost", NEEDLE, "%00", "a" * 5000])
def test_a_purge_that_is_not_there_is_not_found(office: Office, purge: str) -> None:
    problem_of(get(office, f"{PURGES}/{purge}"), 404, "not_found")


def test_a_job_of_another_kind_is_no_purge(office: Office) -> None:
    problem_of(get(office, f"{PURGES}/{office.written()}"), 404, "not_found")


@pytest.mark.parametrize("wanted", [{}, {"erasure": {"documents": ["0" * 32], "reference": DSR, "ground": GROUND}}])
def test_a_source_that_is_not_there_is_not_found(office: Office, wanted: dict[str, object]) -> None:
    problem_of(post(office, {"source": "ghosts"} | wanted), 404, "not_found")
    assert office.jobs.acts == []


HALF = {"reference": DSR, "ground": GROUND}
WHOLE = {"documents": ["0" * 32]} | HALF


@pytest.mark.parametrize(
    ("body", "paths"),
    [
        (b"[]", [""]),
        ({}, ["source"]),
        ({"source": NEEDLE}, ["source"]),
        ({"source": SOURCE, NEEDLE: 1}, [""]),
        ({"source": SOURCE, "erasure": NEEDLE}, ["erasure"]),
        ({"source": SOURCE, "erasure": {}}, ["erasure.documents", "erasure.reference", "erasure.ground"]),
        ({"source": SOURCE, "erasure": HALF | {"documents": []}}, ["erasure.documents"]),
        ({"source": SOURCE, "erasure": HALF | {"documents": [NEEDLE]}}, ["erasure.documents.0"]),
        ({"source": SOURCE, "erasure": HALF | {"documents": ["0" * 32, "A" * 32]}}, ["erasure.documents.1"]),
        ({"source": SOURCE, "erasure": HALF | {"documents": ["0" * 32] * (MAX_NAMED + 1)}}, ["erasure.documents"]),
        ({"source": SOURCE, "erasure": WHOLE | {"reference": ""}}, ["erasure.reference"]),
        ({"source": SOURCE, "erasure": WHOLE | {"reference": f"{NEEDLE}\n"}}, None),
        ({"source": SOURCE, "erasure": WHOLE | {"reference": f"a\n{NEEDLE}"}}, ["erasure.reference"]),
        ({"source": SOURCE, "erasure": WHOLE | {"reference": "x" * 301}}, ["erasure.reference"]),
        ({"source": SOURCE, "erasure": WHOLE | {"ground": NEEDLE}}, ["erasure.ground"]),
        ({"source": SOURCE, "erasure": WHOLE | {"ground": "legal_claims"}}, ["erasure.ground"]),
        ({"source": NEEDLE, "erasure": WHOLE | {"ground": 1}}, ["source", "erasure.ground"]),
        ({"source": SOURCE, "erasure": WHOLE | {NEEDLE: 1}}, ["erasure"]),
    ],
)
def test_a_body_at_fault_says_where_and_leaves_the_key_unused(
    office: Office, body: object, paths: list[str] | None
) -> None:
    problem = problem_of(post(office, body), 422, "body_invalid")
    # A reference with a line's end is taken; what is wrong then is the document.
    assert [fault.path for fault in problem.errors] == (paths or ["erasure.documents"])
    assert all(fault.expected for fault in problem.errors)
    assert office.jobs.acts == []
    if paths is not None:
        assert post(office, RETENTION).status_code == 202


def test_documents_that_the_source_never_had_are_refused(office: Office) -> None:
    known = erasure(office)["erasure"]["documents"]
    for documents in (["0" * 32], [*known, "f" * 32], [office.bench.keyring.document_id(SourceName("other"), SECRET)]):
        response = post(office, erasure(office, documents=documents), key=documents[-1])
        problem = problem_of(response, 422, "body_invalid")
        assert [fault.path for fault in problem.errors] == ["erasure.documents"]
        assert documents[-1] not in response.text
    assert office.jobs.acts == []


@pytest.mark.parametrize("kind", OrderKind)
def test_where_an_order_stands_nothing_is_asked_for_and_the_order_is_named(office: Office, kind: OrderKind) -> None:
    document = DocumentId(erasure(office)["erasure"]["documents"][0])
    order = place(office.bench.workshop, kind, SOURCE, [document], reference=NEEDLE, by=ACTOR)
    problem = problem_of(post(office, erasure(office)), 409, "order_stands")
    assert order.id in problem.detail
    assert problem.job is None
    assert office.jobs.acts == []
    assert post(office, erasure(office, "leave.md"), key="2").status_code == 202


def test_while_a_purge_is_open_another_is_refused_and_names_it(office: Office) -> None:
    first = purge_of(post(office, RETENTION), 202).purge
    assert problem_of(post(office, RETENTION, key="2"), 409, "conflict").job == first
    second = purge_of(post(office, erasure(office), key="3"), 202).purge
    assert problem_of(post(office, erasure(office, "leave.md"), key="4"), 409, "conflict").job == second


def test_a_request_sent_again_gets_the_same_answer_even_when_its_documents_are_gone(
    office: Office, source: Source
) -> None:
    first = post(office, erasure(office, SECRET, "leave.md"))
    worked(office, source, first.json()["purge"])
    turned = erasure(office, "leave.md", SECRET)
    again = post(office, turned)
    assert (again.status_code, again.content) == (202, first.content)
    assert again.headers["location"] == first.headers["location"]
    problem_of(post(office, erasure(office)), 422, "idempotency_key_reused")
    problem_of(post(office, RETENTION), 422, "idempotency_key_reused")
    assert len(office.jobs.acts) == 1


def test_a_storm_of_one_request_has_one_effect(office: Office) -> None:
    gate = threading.Barrier(12)

    def send(_: int) -> Response:
        gate.wait(30)
        return post(office, erasure(office))

    with ThreadPoolExecutor(12) as pool:
        responses = list(pool.map(send, range(12)))
    statuses = Counter(response.status_code for response in responses)
    assert set(statuses) <= {202, 409}
    assert len({response.content for response in responses if response.status_code == 202}) == 1
    assert {response.json()["code"] for response in responses if response.status_code == 409} <= {
        "idempotency_key_in_flight"
    }
    assert len(office.jobs.acts) == 1


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("erased", [True, False])
def test_a_process_killed_around_the_asking_has_not_asked_twice(
    office: Office, source: Source, moment: str, *, erased: bool
) -> None:
    body = erasure(office) if erased else RETENTION
    killed(office.bench, "purge", moment, job=erasure(office)["erasure"]["documents"][0] if erased else "")
    left = [job for job in office.all_jobs() if office.job(job).kind is not JobKind.SYNC]
    assert len(left) == (moment == "after")
    problem_of(post(office, body), 409, "idempotency_key_in_flight")
    office.bench.clock.forward(IN_FLIGHT)
    if left:
        worked(office, source, left[0])
    asked = purge_of(post(office, body), 202)
    assert asked.state is (JobState.FINISHED if left else JobState.QUEUED)
    assert left in ([], [asked.purge])


@pytest.mark.parametrize("role", [None, *Role])
def test_who_may_ask_and_who_may_see(office: Office, role: Role | None) -> None:
    office.gateway.callers = {"Bearer officer": replace(ANN, roles=frozenset({role} if role else set()))}
    seen = {Role.PRIVACY, Role.OPERATOR, Role.AUDITOR}
    for path in (PURGES, f"{PURGES}/{'0' * 24}"):
        assert (get(office, path).status_code == 403) == (role not in seen)
    answered = post(office, RETENTION)
    if role is Role.PRIVACY:
        assert answered.status_code == 202
    else:
        problem_of(answered, 403, "forbidden")
        assert office.jobs.acts == []


def test_operators_see_the_job_of_an_erasure_without_what_it_is_about(office: Office) -> None:
    asked = purge_of(post(office, erasure(office)), 202)
    shown = get(office, f"/v1/jobs/{asked.purge}", who="operator")
    assert (shown.json()["kind"], shown.json()["options"]) == ("erase", {})
    assert DSR not in shown.text


def test_an_operator_who_is_no_officer_does_not_stop_an_erasure(office: Office) -> None:
    asked = purge_of(post(office, erasure(office)), 202)
    for verb in ("pause", "resume", "cancel"):
        refused = post(office, {}, path=f"/v1/jobs/{asked.purge}/{verb}", key=verb, who="operator")
        assert "role privacy" in problem_of(refused, 403, "forbidden").detail
    assert office.job(asked.purge).state is JobState.QUEUED
    office.gateway.callers = {"Bearer both": replace(ANN, roles=frozenset({Role.PRIVACY, Role.OPERATOR}))}
    assert post(office, {}, path=f"/v1/jobs/{asked.purge}/cancel", who="both").status_code == 200


def test_the_schema_describes_what_an_officer_sends_and_gets(office: Office) -> None:
    document = office.client.get("/openapi.json").json()
    asking = document["paths"][PURGES]["post"]
    assert set(asking["responses"]) == {
        "202", "400", "401", "403", "404", "408", "409", "413", "415", "422", "429", "503",
    }  # fmt: skip
    example = asking["responses"]["202"]["content"]["application/json"]["examples"]["asked"]["value"]
    PurgeBody.model_validate_json(json.dumps(example))
    assert "Location" in asking["responses"]["202"]["headers"]
    schema = asking["requestBody"]["content"]["application/json"]["schema"]
    assert "$" not in json.dumps(schema).replace("[0-9a-f]{32}$", "").replace(")*$", "")
    (inner,) = [one for one in schema["properties"]["erasure"]["anyOf"] if one["type"] == "object"]
    assert (inner["additionalProperties"], set(inner["required"])) == (False, {"documents", "reference", "ground"})
    assert inner["properties"]["ground"]["enum"] == grounds()
    listing = document["paths"][PURGES]["get"]
    assert [parameter["name"] for parameter in listing["parameters"]] == ["source", "limit"]
