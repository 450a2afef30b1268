"""What an operator does over HTTP."""

import json
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from httpx2 import Response

from gateway.operate.schemas import MAX_JOBS, MAX_NAMED, JobBody, JobsBody
from gateway.requests import IN_FLIGHT, RequestRow
from indexer import joblog
from indexer.database import Database
from indexer.joblog import JobId, JobKind, JobState
from policies.errors import ConflictError, DependencyError, RefusedError
from policies.model import Role
from tests.gateway.dying import killed
from tests.gateway.fakes import ANN
from tests.gateway.operating import KEY_TEXT, USUAL, Office, fails, office_over
from tests.gateway.test_app import problem_of
from tests.indexer.workbench import ACTOR, Bench, with_database

SYNC = "/v1/sources/hr-handbook/sync"
OPERATORS = {"Authorization": "Bearer operator"}
NEEDLE = "NEEDLE-7f3a"
STEERED = {"pause": JobState.PAUSED, "resume": JobState.QUEUED, "cancel": JobState.CANCELLED}


def post(
    office: Office,
    path: str = SYNC,
    *,
    key: str | None = f'"{KEY_TEXT}"',
    body: object = None,
    who: str = "operator",
    headers: dict[str, str] | None = None,
) -> Response:
    sent = {"Authorization": f"Bearer {who}"} | (headers or {})
    if key is not None:
        sent["Idempotency-Key"] = key
    content = None
    if body is not None:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        sent.setdefault("Content-Type", "application/json")
    return office.client.post(path, content=content, headers=sent)


def get(office: Office, path: str) -> Response:
    return office.client.get(path, headers=OPERATORS)


def test_a_sync_is_asked_for_and_told_of(office: Office) -> None:
    response = post(office, body={"confirm_deletes": True})
    assert response.status_code == 202
    body = JobBody.model_validate_json(response.content)
    assert response.headers["location"] == f"/v1/jobs/{body.id}"
    assert (body.kind, body.source, body.state) == (JobKind.SYNC, "hr-handbook", JobState.QUEUED)
    assert body.options == {"confirm_deletes": True, "retry_quarantined": False}
    assert office.jobs.acts == [("ask", body.id, "caller:olga")]
    assert get(office, response.headers["location"]).content == response.content


@pytest.mark.parametrize("body", [None, {}, USUAL])
def test_without_options_a_sync_is_the_usual_one(office: Office, body: object) -> None:
    assert post(office, body=body).json()["options"] == USUAL


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"{", "body_malformed"),
        (b"\xff", "body_malformed"),
        (b'{"confirm_deletes":true,"confirm_deletes":false}', "body_malformed"),
        (b"[]", "body_invalid"),
        (b"null", "body_invalid"),
        ({"confirm_deletes": 1}, "body_invalid"),
        ({"confirm_deletes": "true"}, "body_invalid"),
        ({"confirm_deletes": None}, "body_invalid"),
        ({NEEDLE: True}, "body_invalid"),
        ({"job": "0" * 24}, "body_invalid"),
        ({"actor": NEEDLE}, "body_invalid"),
    ],
)
def test_a_body_that_is_not_these_options_is_refused_and_leaves_the_key_unused(
    office: Office, body: object, code: str
) -> None:
    problem_of(post(office, body=body), 422, code)
    assert office.all_jobs() == []
    assert post(office).status_code == 202


def test_a_body_has_to_be_declared(office: Office) -> None:
    problem_of(post(office, body={}, headers={"Content-Type": "text/plain"}), 415, "media_type")
    problem_of(
        post(office, body=b"x=1", headers={"Content-Type": "application/x-www-form-urlencoded"}), 415, "media_type"
    )


@pytest.mark.parametrize("source", ["ghosts", "HR-Handbook", NEEDLE, "hr-handbook%00", "..", "%2e%2e", "a" * 5000])
def test_a_source_that_is_not_there_is_not_found(office: Office, source: str) -> None:
    response = post(office, f"/v1/sources/{source}/sync")
    problem_of(response, 404, "not_found")
    assert office.all_jobs() == []


@pytest.mark.parametrize("verb", STEERED)
@pytest.mark.parametrize("job", ["0" * 24, "ghost", NEEDLE, "%00", "a" * 5000])
def test_a_job_that_is_not_there_is_not_found(office: Office, job: str, verb: str) -> None:
    problem_of(get(office, f"/v1/jobs/{job}"), 404, "not_found")
    problem_of(post(office, f"/v1/jobs/{job}/{verb}"), 404, "not_found")


def test_while_a_sync_is_open_another_is_refused_and_names_it(office: Office) -> None:
    first = post(office).json()["id"]
    response = post(office, key='"another"')
    body = problem_of(response, 409, "conflict")
    assert body.job == first
    assert body.detail.startswith(f"The sync {first} of 'hr-handbook' is queued.")
    assert office.all_jobs() == [first]


def test_jobs_of_another_kind_are_not_in_the_way(office: Office) -> None:
    office.written(kind=JobKind.PERMISSIONS)
    assert post(office).status_code == 202


@pytest.mark.parametrize("path", [SYNC, "/v1/jobs/{job}/pause", "/v1/jobs/{job}/resume", "/v1/jobs/{job}/cancel"])
@pytest.mark.parametrize(("key", "code"), [(None, "missing"), ("bare-token", "malformed"), ('"a"; b', "malformed")])
def test_what_changes_something_needs_a_key_of_its_form(office: Office, path: str, key: str | None, code: str) -> None:
    job = office.written(kind=JobKind.VERIFY)
    problem_of(post(office, path.format(job=job), key=key), 400, f"idempotency_key_{code}")
    assert office.job(job).state is JobState.QUEUED
    assert office.jobs.acts == []


def test_a_request_sent_again_gets_the_same_answer_and_does_nothing(office: Office) -> None:
    first = post(office)
    with office.bench.database.writing() as session:
        joblog.end(session, JobId(first.json()["id"]), JobState.FINISHED, now=office.bench.clock())
    office.bench.clock.forward(timedelta(hours=23))
    again = post(office, body={})
    assert (again.status_code, again.content) == (202, first.content)
    assert again.headers["location"] == first.headers["location"]
    assert again.headers["x-request-id"] != first.headers["x-request-id"]
    assert len(office.jobs.acts) == 1


@pytest.mark.parametrize(
    ("path", "status"), [("/v1/sources/ghosts/sync", 404), ("/v1/jobs/{job}/resume", 409), (SYNC, 409)]
)
def test_a_refusal_is_an_answer_and_comes_again(office: Office, path: str, status: int) -> None:
    job = office.written()
    first = post(office, path.format(job=job))
    assert first.status_code == status
    office.jobs.cancel(job, actor=ACTOR)
    again = post(office, path.format(job=job))
    assert (again.status_code, again.content) == (status, first.content)
    assert again.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (SYNC, {"confirm_deletes": True}),
        ("/v1/sources/minutes/sync", None),
        ("/v1/jobs/000000000000000000000001/pause", None),
    ],
)
def test_a_key_that_comes_with_another_request_is_refused(office: Office, path: str, body: object) -> None:
    post(office)
    problem_of(post(office, path, body=body), 422, "idempotency_key_reused")
    assert len(office.all_jobs()) == 1


def test_keys_belong_to_their_caller(office: Office) -> None:
    first = post(office)
    other = post(office, who="other")
    assert (other.status_code, other.json()["job"]) == (409, first.json()["id"])
    assert post(office).content == first.content


@pytest.mark.parametrize("verb", STEERED)
def test_a_job_is_steered(office: Office, verb: str) -> None:
    job = office.written()
    if verb == "resume":
        office.jobs.pause(job, actor=ACTOR)
    response = post(office, f"/v1/jobs/{job}/{verb}")
    assert response.status_code == 200
    assert "location" not in response.headers
    assert JobBody.model_validate_json(response.content).state is STEERED[verb]
    assert office.job(job).state is STEERED[verb]
    assert office.jobs.acts[-1] == (STEERED[verb], job, "caller:olga")


@pytest.mark.parametrize(
    ("verb", "state"),
    [
        ("pause", JobState.FINISHED),
        ("resume", JobState.QUEUED),
        ("resume", JobState.HELD),
        ("cancel", JobState.CANCELLED),
        ("cancel", JobState.FAILED),
    ],
)
def test_a_job_that_cannot_be_steered_so_says_how_it_stands(office: Office, verb: str, state: JobState) -> None:
    job = office.written(state=state)
    body = problem_of(post(office, f"/v1/jobs/{job}/{verb}"), 409, "conflict")
    assert body.job == job
    assert f"is {state}." in body.detail
    assert office.job(job).state is state


def test_steering_takes_no_body_but_an_empty_one(office: Office) -> None:
    job = office.written()
    problem_of(post(office, f"/v1/jobs/{job}/pause", body={"why": NEEDLE}), 422, "body_invalid")
    assert post(office, f"/v1/jobs/{job}/pause", body={}).status_code == 200


def storm(office: Office, requests: int, **options: Any) -> list[Response]:  # noqa: ANN401 - as `post` takes them
    gate = threading.Barrier(requests)

    def send(_: int) -> Response:
        gate.wait(30)
        return post(office, **options)

    with ThreadPoolExecutor(requests) as pool:
        return list(pool.map(send, range(requests)))


def test_a_storm_of_one_request_has_one_effect(office: Office) -> None:
    responses = storm(office, 24)
    statuses = Counter(response.status_code for response in responses)
    assert set(statuses) <= {202, 409}
    assert statuses[202] >= 1
    assert len({response.content for response in responses if response.status_code == 202}) == 1
    waiting = [response for response in responses if response.status_code == 409]
    assert {response.json()["code"] for response in waiting} <= {"idempotency_key_in_flight"}
    assert len(office.jobs.acts) == len(office.all_jobs()) == 1


def test_of_a_storm_of_different_requests_one_comes_through(office: Office) -> None:
    gate = threading.Barrier(16)

    def send(number: int) -> Response:
        gate.wait(30)
        return post(office, key=f'"{number}"', who="operator" if number % 2 else "other")

    with ThreadPoolExecutor(16) as pool:
        responses = list(pool.map(send, range(16)))
    (job,) = office.all_jobs()
    assert Counter(response.status_code for response in responses) == {202: 1, 409: 15}
    assert {response.json()["job"] for response in responses if response.status_code == 409} == {job}


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_process_killed_around_the_asking_has_not_asked_twice(office: Office, moment: str) -> None:
    killed(office.bench, "sync", moment)
    left = office.all_jobs()
    assert len(left) == (moment == "after")
    problem_of(post(office), 409, "idempotency_key_in_flight")
    office.bench.clock.forward(IN_FLIGHT)
    response = post(office)
    assert response.status_code == 202
    assert office.all_jobs() == [response.json()["id"]]
    assert left in ([], [response.json()["id"]])
    assert post(office).content == response.content


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("verb", STEERED)
def test_a_process_killed_around_the_steering_leaves_an_answer_to_be_had(
    office: Office, verb: str, moment: str
) -> None:
    job = office.written()
    if verb == "resume":
        office.jobs.pause(job, actor=ACTOR)
    killed(office.bench, verb, moment, job=job)
    office.bench.clock.forward(IN_FLIGHT)
    acts = len(office.jobs.acts)
    response = post(office, f"/v1/jobs/{job}/{verb}")
    assert (response.status_code, response.json()["state"]) == (200, STEERED[verb])
    assert len(office.jobs.acts) - acts == (moment == "before")


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (DependencyError(NEEDLE, mend=NEEDLE), 503, "unavailable"),
        (ConflictError(NEEDLE, mend=NEEDLE), 503, "busy"),
        (RefusedError(NEEDLE, mend=NEEDLE), 500, "internal"),
        (ValueError(NEEDLE), 500, "internal"),
    ],
)
@pytest.mark.parametrize("moment", ["before", "after"])
def test_what_failed_may_be_sent_again_at_once_and_happens_once(
    office: Office, error: Exception, status: int, code: str, moment: str
) -> None:
    setattr(office.jobs, moment, fails(error))
    problem_of(post(office), status, code)
    setattr(office.jobs, moment, lambda: None)
    assert post(office).status_code == 202
    assert len(office.all_jobs()) == 1
    assert [act for act, *_ in office.jobs.acts] == ["ask"]


def test_a_catalog_that_another_writer_holds_is_no_conflict_of_the_callers(bench: Bench) -> None:
    bench.apply()
    impatient = Database(bench.place, [RequestRow], busy_timeout_ms=50)
    office = office_over(with_database(bench, impatient))
    with office.client, ExitStack() as holding:
        holding.enter_context(bench.database.writing())
        problem_of(post(office), 503, "busy")
        holding.close()
        assert office.all_jobs() == []
        office.jobs.after = partial(holding.enter_context, bench.database.writing())
        problem_of(post(office), 503, "busy")  # asked for, but the answer could not be kept
        holding.close()
        office.jobs.after = lambda: None
        problem_of(post(office), 409, "idempotency_key_in_flight")
        bench.clock.forward(IN_FLIGHT)
        assert [post(office).json()["id"]] == office.all_jobs()
    impatient.close()


def test_jobs_are_listed_the_youngest_first_by_source_and_state(office: Office) -> None:
    old = office.written(state=JobState.FAILED)
    office.bench.clock.forward(timedelta(seconds=1))
    young = office.written()
    listed = JobsBody.model_validate_json(get(office, "/v1/jobs").content)
    assert [job.id for job in listed.jobs] == [young, old]

    def ids(query: str) -> list[str]:
        return [job["id"] for job in get(office, f"/v1/jobs?{query}").json()["jobs"]]

    assert ids("state=failed") == [old]
    assert ids("state=queued&source=hr-handbook") == [young]
    assert ids("source=ghosts") == []
    assert ids("limit=1") == [young]
    assert ids("limit=1&state=failed") == [old]


@pytest.mark.parametrize(
    ("query", "path"),
    [
        ("limit=0", "limit"),
        (f"limit={MAX_JOBS + 1}", "limit"),
        ("limit=-1", "limit"),
        ("limit=all", "limit"),
        ("limit=" + "9" * 5000, "limit"),
        ("limit=", "limit"),
        ("state=NEEDLE-7f3a", "state"),
        ("state=", "state"),
        ("source=NEEDLE-7f3a", "source"),
        ("source=a%00b", "source"),
        ("NEEDLE-7f3a=1", ""),
        ("limit=1&limit=2", ""),
        ("State=queued", ""),
    ],
)
def test_a_query_at_fault_is_named_and_never_echoed(office: Office, query: str, path: str) -> None:
    body = problem_of(get(office, f"/v1/jobs?{query}"), 422, "query_invalid")
    assert [fault.path for fault in body.errors] == [path]


def test_the_body_of_a_job_holds_ids_codes_counts_and_times_alone(office: Office) -> None:
    job, now = office.written(), office.bench.clock.now
    refusal = RefusedError(f"2 of 3 documents are gone, {NEEDLE} among them.", mend=NEEDLE)
    ids = [f"{number:032x}" for number in range(MAX_NAMED + 1)]
    with office.bench.database.writing() as session:
        joblog.start(session, job, now=now)
        joblog.end_listing(session, job, 20, {"began": NEEDLE, "would_remove": ids})
        joblog.count(session, job, {"indexed": 5, "reason:encrypted": 2, "quarantined": 2}, done=10)
    office.bench.clock.forward(timedelta(seconds=4))
    running = JobBody.model_validate_json(get(office, f"/v1/jobs/{job}").content)
    assert (running.total, running.done, running.rate, running.left_s) == (20, 10, 2.5, 4.0)
    with office.bench.database.writing() as session:
        joblog.end(session, job, JobState.HELD, now=office.bench.clock(), error=refusal)
    response = get(office, f"/v1/jobs/{job}")
    assert NEEDLE not in response.text
    body = JobBody.model_validate_json(response.content)
    assert (body.state, body.failure, body.left_s) == (JobState.HELD, "refused", None)
    assert (body.counts, body.reasons) == ({"indexed": 5, "quarantined": 2}, {"encrypted": 2})
    assert body.would_remove == ids[:MAX_NAMED]
    assert "actor" not in response.json()
    assert json.loads(get(office, "/v1/jobs").content)["jobs"] == [response.json()]


@pytest.mark.parametrize("role", [None, *Role])
@pytest.mark.parametrize("path", ["/v1/jobs", "/v1/jobs/{job}", "/v1/jobs/{ghost}"])
def test_only_operators_see_jobs(office: Office, role: Role | None, path: str) -> None:
    roles = frozenset({role} if role else set())
    office.gateway.callers = {"Bearer operator": replace(ANN, roles=roles)}
    response = get(office, path.format(job=office.written(), ghost="0" * 24))
    if role is Role.OPERATOR:
        assert response.status_code in {200, 404}
    else:
        problem_of(response, 403, "forbidden")


@pytest.mark.parametrize("role", [None, *Role])
def test_only_operators_change_anything_and_others_learn_nothing(office: Office, role: Role | None) -> None:
    job = office.written(kind=JobKind.VERIFY)
    office.gateway.callers = {"Bearer operator": replace(ANN, roles=frozenset({role} if role else set()))}
    paths = (SYNC, "/v1/sources/ghosts/sync", f"/v1/jobs/{job}/pause", "/v1/jobs/ghost/cancel")
    responses = [post(office, path, key=f'"{number}"') for number, path in enumerate(paths)]
    if role is Role.OPERATOR:
        assert [response.status_code for response in responses] == [202, 404, 200, 404]
        return
    bodies = [problem_of(response, 403, "forbidden").model_dump() | {"request_id": ""} for response in responses]
    assert bodies == [bodies[0]] * 4
    assert (office.jobs.acts, office.all_jobs()) == ([], [job])


def test_the_schema_describes_what_an_operator_sends_and_gets(office: Office) -> None:
    document = office.client.get("/openapi.json").json()
    sync = document["paths"]["/v1/sources/{source}/sync"]["post"]
    assert {parameter["name"]: parameter["in"] for parameter in sync["parameters"]} == {
        "source": "path", "Idempotency-Key": "header",
    }  # fmt: skip
    assert set(sync["responses"]) == {
        "202", "400", "401", "403", "404", "408", "409", "413", "415", "422", "429", "503",
    }  # fmt: skip
    for status, response in sync["responses"].items():
        assert list(response["content"]) == ["application/json" if status == "202" else "application/problem+json"]
    example = sync["responses"]["202"]["content"]["application/json"]["examples"]["asked"]["value"]
    JobBody.model_validate_json(json.dumps(example))
    assert "Location" in sync["responses"]["202"]["headers"]
    schema = sync["requestBody"]["content"]["application/json"]["schema"]
    assert (schema["additionalProperties"], set(schema["properties"])) == (
        False, {"confirm_deletes", "retry_quarantined"},
    )  # fmt: skip
    jobs = document["paths"]["/v1/jobs"]["get"]
    assert [parameter["name"] for parameter in jobs["parameters"]] == ["source", "state", "limit"]
