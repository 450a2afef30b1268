import json
import logging
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import anyio
import pytest
from httpx2 import Response
from starlette.testclient import TestClient
from starlette.types import Message

from gateway import app as app_module
from gateway.answer import NOTHING_VISIBLE, Answer, RetrievalRequest, VisibleSource
from gateway.limits import MAX_BODY_BYTES
from gateway.schemas import AnswerBody, ProblemBody, SourcesBody, read_answer
from policies.errors import AuditError, ConflictError, DependencyError, IntegrityError, SettingsError
from policies.model import Caller, SourceName
from tests.gateway.fakes import ANN, ANSWER, FakeGateway, app_over

GOOD = {"Authorization": "Bearer good"}
JSON = {**GOOD, "Content-Type": "application/json"}
BODY = {"query": "How many days of leave?", "purpose": "employee-support"}
NEEDLE = "NEEDLE-7f3a"

WITNESS = "privacy or operator or auditor"
ACCESS: dict[tuple[str, str], str] = {
    ("POST", "/v1/retrieve"): "caller",
    ("GET", "/v1/sources"): "caller",
    ("GET", "/v1/jobs"): "operator",
    ("GET", "/v1/jobs/{job}"): "operator",
    ("POST", "/v1/jobs/{job}/pause"): "operator",
    ("POST", "/v1/jobs/{job}/resume"): "operator",
    ("POST", "/v1/jobs/{job}/cancel"): "operator",
    ("POST", "/v1/sources/{source}/sync"): "operator",
    ("POST", "/v1/purges"): "privacy",
    ("GET", "/v1/purges"): WITNESS,
    ("GET", "/v1/purges/{purge}"): WITNESS,
    ("POST", "/v1/feedback"): "reviewer",
    ("GET", "/v1/handoffs"): "reviewer",
    ("POST", "/v1/handoffs/{handoff}/claim"): "reviewer",
    ("POST", "/v1/handoffs/{handoff}/resolve"): "reviewer",
    ("GET", "/healthz"): "anybody",
    ("GET", "/readyz"): "anybody",
}
"""Who may use which route: anybody, any caller, or one with a role. A route that is not here fails the suite."""
ROLE = {"operator", "privacy", "reviewer", WITNESS}


@dataclass
class Desk:
    """A client and the gateway it talks to."""

    client: TestClient
    gateway: FakeGateway

    def ask(self, content: bytes | None = None, headers: dict[str, str] | None = None) -> Response:
        text = json.dumps(BODY).encode() if content is None else content
        return self.client.post("/v1/retrieve", content=text, headers=JSON if headers is None else headers)


@pytest.fixture
def desk() -> Iterator[Desk]:
    gateway = FakeGateway()
    with TestClient(app_over(gateway)) as client:
        yield Desk(client=client, gateway=gateway)


def problem_of(response: Response, status: int, code: str) -> ProblemBody:
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    body = ProblemBody.model_validate_json(response.content)
    assert (body.status, body.code, body.type) == (status, code, f"urn:penstock:problem:{code}")
    assert body.request_id == response.headers["x-request-id"]
    assert NEEDLE not in response.text
    return body


def test_an_answer_goes_out_as_the_gateway_gave_it(desk: Desk) -> None:
    desk.gateway.answer = lambda _: ANSWER
    response = desk.ask()
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    AnswerBody.model_validate_json(response.content)
    assert read_answer(response.content).passages[0].text == ANSWER.passages[0].text
    assert response.json()["request_id"] == response.headers["x-request-id"]


def test_the_gateway_is_asked_for_what_the_caller_wants(desk: Desk) -> None:
    response = desk.ask(json.dumps({**BODY, "sources": ["hr-handbook"], "k": 3, "conversation": "c1"}).encode())
    wanted = RetrievalRequest(
        query="How many days of leave?",
        purpose="employee-support",
        sources=frozenset({SourceName("hr-handbook")}),
        k=3,
        conversation="c1",
    )
    assert desk.gateway.asked == [(ANN, wanted, response.json()["request_id"])]


def test_a_denial_is_an_answer(desk: Desk) -> None:
    response = desk.ask()
    assert response.status_code == 200
    assert response.json() == {
        "request_id": "r1",
        "verdict": "handoff",
        "reasons": ["no_visible_passage"],
        "confidence": {"value": None, "status": "uncalibrated", "calibration": None, "missing_labels": None},
        "unmatched_terms": [],
        "passages": [],
    }
    assert read_answer(response.content) == NOTHING_VISIBLE


def test_equal_answers_differ_in_the_request_id_alone(desk: Desk) -> None:
    desk.gateway.answer = lambda _: replace(ANSWER)
    first, second = desk.ask(), desk.ask()
    assert first.content.replace(b'"r1"', b'"r2"') == second.content
    assert dict(first.headers) | {"x-request-id": "r2"} == dict(second.headers)


def test_the_sources_of_a_caller_are_listed(desk: Desk) -> None:
    name = SourceName("hr-handbook")
    desk.gateway.visible = (VisibleSource(name=name, title="HR", purposes=frozenset({"employee-support"})),)
    response = desk.client.get("/v1/sources", headers=GOOD)
    assert response.status_code == 200
    SourcesBody.model_validate_json(response.content)
    assert response.json()["sources"] == [{"name": "hr-handbook", "title": "HR", "purposes": ["employee-support"]}]


def test_health_asks_nobody_and_readiness_asks_the_gateway(desk: Desk) -> None:
    desk.gateway.broken = ("catalog", "audit")
    assert desk.client.get("/healthz").json() == {"status": "ok"}
    body = problem_of(desk.client.get("/readyz"), 503, "not_ready")
    assert body.detail.startswith("Not ready: audit, catalog.")
    desk.gateway.broken = ()
    assert desk.client.get("/readyz").json() == {"status": "ok"}


def test_every_route_is_in_the_access_matrix(desk: Desk) -> None:
    document = desk.client.get("/openapi.json").json()
    documented = {
        (method.upper(), path): ("role" if "403" in operation["responses"] else "caller")
        if "security" in operation
        else "anybody"
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    }
    assert documented == {route: "role" if who in ROLE else who for route, who in ACCESS.items()}


@pytest.mark.parametrize(("method", "path"), ACCESS)
def test_a_caller_without_the_role_gets_no_further_than_that(desk: Desk, method: str, path: str) -> None:
    """Whatever the rest of the request is: its key, its body and what its path names are not looked at."""
    response = desk.client.request(method, path, headers=GOOD, content=b"{" if method == "POST" else None)
    if ACCESS[method, path] in ROLE:
        body = problem_of(response, 403, "forbidden")
        assert body.detail == f"This needs the role {ACCESS[method, path]}. Use a credential that has it."
    else:
        assert response.status_code in {200, 415}


@pytest.mark.parametrize(("method", "path"), ACCESS)
@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("Authorization", "")],
        [("Authorization", "Bearer bad")],
        [("Authorization", "Basic good")],
        [("Authorization", "Bearer good"), ("Authorization", "Bearer good")],
        [("Authorization", "Bearer good"), ("Authorization", "Bearer bad")],
        [("X-Authorization", "Bearer good"), ("X-Forwarded-User", "ann")],
        [("Cookie", "Authorization=Bearer good")],
    ],
)
def test_without_a_valid_credential_only_open_routes_answer(
    desk: Desk, method: str, path: str, headers: list[tuple[str, str]]
) -> None:
    response = desk.client.request(method, f"{path}?access_token=good", headers=headers)
    if ACCESS[method, path] == "anybody":
        assert response.status_code == 200
    else:
        problem_of(response, 401, "unauthenticated")
        assert response.headers["www-authenticate"] == "Bearer"
    assert desk.gateway.asked == []


def test_the_answer_to_a_bad_credential_is_the_answer_to_none(desk: Desk) -> None:
    bodies = [
        desk.client.get("/v1/sources", headers=headers).json()
        for headers in ({}, {"Authorization": "Bearer bad"}, {"Authorization": f"Bearer {NEEDLE}"})
    ]
    assert [{**body, "request_id": ""} for body in bodies] == [{**bodies[0], "request_id": ""}] * 3


def test_without_a_credential_the_body_is_not_read(desk: Desk) -> None:
    sent: list[Message] = []

    async def receive() -> Message:
        raise AssertionError("the body was read")

    async def send(message: Message) -> None:
        sent.append(message)

    headers = [(b"content-type", b"application/json"), (b"content-length", b"9000000")]
    scope = {"type": "http", "method": "POST", "path": "/v1/retrieve", "query_string": b"", "headers": headers}
    anyio.run(app_over(desk.gateway), scope, receive, send)
    assert sent[0]["status"] == 401


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\xff\xfe",
        json.dumps(BODY).encode("utf-16"),
        b'{"query":NaN,"purpose":"p"}',
        b'{"query":"a","purpose":"p","k":Infinity}',
        b'{"query":"a","purpose":"p","k":1e999}',
        b'{"query":"NEEDLE-7f3a","query":"b","purpose":"p"}',
        b"[" * 200_000,
        b'{"a":' * 100_000,
        b'{"query":"a","purpose":"p","k":' + b"9" * 5000 + b"}",
    ],
)
def test_a_body_that_is_not_strict_json_is_malformed(desk: Desk, content: bytes) -> None:
    body = problem_of(desk.ask(content), 422, "body_malformed")
    assert "Send one JSON object" in body.detail
    assert desk.gateway.asked == []


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"query": ""}, "query"),
        ({"query": NEEDLE * 10_000}, "query"),
        ({"query": NEEDLE + "\x00"}, "query"),
        ({"query": NEEDLE + "\ud800"}, "query"),
        ({"query": {NEEDLE: NEEDLE}}, "query"),
        ({"purpose": NEEDLE}, "purpose"),
        ({"sources": [NEEDLE]}, "sources.0"),
        ({"k": NEEDLE}, "k"),
        ({"conversation": f"{NEEDLE} {NEEDLE}"}, "conversation"),
        ({NEEDLE: 1}, ""),
    ],
)
def test_a_field_at_fault_is_named_and_never_echoed(desk: Desk, fields: dict[str, object], path: str) -> None:
    body = problem_of(desk.ask(json.dumps({**BODY, **fields}).encode()), 422, "body_invalid")
    assert [fault.path for fault in body.errors] == [path]
    assert desk.gateway.asked == []


def test_a_body_over_a_megabyte_is_refused_with_and_without_its_length(desk: Desk) -> None:
    def parts() -> Iterator[bytes]:
        for _ in range(3):
            yield b" " * (MAX_BODY_BYTES // 2)

    problem_of(desk.ask(b" " * (MAX_BODY_BYTES + 1)), 413, "body_too_large")
    problem_of(desk.client.post("/v1/retrieve", content=parts(), headers=JSON), 413, "body_too_large")
    assert desk.ask(json.dumps(BODY).encode().ljust(MAX_BODY_BYTES)).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "multipart/form-data; boundary=x"},
        {"Content-Type": "application/json; charset=latin-1"},
        {"Content-Type": "application/jsonx"},
        {"Content-Type": NEEDLE},
        {"Content-Type": ""},
        {},
        {"Content-Type": "application/json", "Content-Encoding": "gzip"},
    ],
)
def test_a_body_not_declared_as_plain_json_is_refused(desk: Desk, headers: dict[str, str]) -> None:
    problem_of(desk.ask(headers={**GOOD, **headers}), 415, "media_type")


@pytest.mark.parametrize("kind", ["application/json", "Application/JSON", 'application/json; charset="UTF-8"'])
def test_plain_json_may_be_declared_in_every_usual_way(desk: Desk, kind: str) -> None:
    assert desk.ask(headers={**GOOD, "Content-Type": kind}).status_code == 200


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (DependencyError(NEEDLE, mend=NEEDLE), 503, "unavailable"),
        (AuditError(NEEDLE, mend=NEEDLE), 503, "audit_unavailable"),
        (IntegrityError(NEEDLE, mend=NEEDLE), 500, "internal"),
        (SettingsError(NEEDLE, mend=NEEDLE), 500, "internal"),
        (ValueError(NEEDLE), 500, "internal"),
        (ExceptionGroup(NEEDLE, [ValueError(NEEDLE)]), 500, "internal"),
    ],
)
def test_of_an_inner_error_the_caller_learns_the_code_alone(
    desk: Desk, caplog: pytest.LogCaptureFixture, error: Exception, status: int, code: str
) -> None:
    def fail(_: RetrievalRequest) -> Answer:
        raise error from KeyError(NEEDLE)

    desk.gateway.answer = fail
    with caplog.at_level(logging.DEBUG):
        response = desk.ask()
    problem_of(response, status, code)
    assert response.headers.get("retry-after") == ("1" if status == 503 else None)
    assert NEEDLE not in caplog.text
    assert f"request=r1 code={code if status == 503 else getattr(error, 'code', 'internal')}" in caplog.text
    assert "test_app.py" in caplog.text
    assert "KeyError" in caplog.text


def test_a_conflict_says_what_it_is(desk: Desk) -> None:
    def fail(_: RetrievalRequest) -> Answer:
        raise ConflictError("It is there already.", mend="Choose another.")

    desk.gateway.answer = fail
    assert problem_of(desk.ask(), 409, "conflict").detail == "It is there already. Choose another."


def test_a_score_that_is_no_number_is_an_error_not_an_answer(desk: Desk) -> None:
    desk.gateway.answer = lambda _: replace(ANSWER, confidence=replace(ANSWER.confidence, value=float("nan")))
    problem_of(desk.ask(), 500, "internal")


def test_the_log_has_the_cause_of_a_refusal_but_nothing_of_the_request(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger="gateway"):
        desk.client.get("/v1/sources", headers={"Authorization": f"Bearer {NEEDLE}"})
        desk.ask(json.dumps({**BODY, NEEDLE: NEEDLE}).encode())
    assert [record.getMessage() for record in caplog.records if record.name.startswith("gateway")] == [
        "refused request=r1 code=unauthenticated reason=key_unknown",
        "refused request=r2 code=body_invalid",
    ]


def test_unknown_paths_and_methods_are_problems_that_echo_nothing(desk: Desk) -> None:
    problem_of(desk.client.get(f"/{NEEDLE}"), 404, "not_found")
    problem_of(desk.client.get("/v1/sources/"), 404, "not_found")
    problem_of(desk.client.get("/docs"), 404, "not_found")
    problem_of(desk.client.get("/redoc"), 404, "not_found")
    for method in ("GET", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD", "TRACE", NEEDLE):
        response = desk.client.request(method, "/v1/retrieve", headers=GOOD)
        assert response.status_code == 405
        assert response.headers["allow"] == "POST"


def test_head_is_get_without_a_body(desk: Desk) -> None:
    for path in ("/healthz", "/readyz"):
        head, get = desk.client.head(path), desk.client.get(path)
        assert (head.status_code, head.headers["content-length"]) == (200, get.headers["content-length"])
    assert desk.client.head("/v1/sources").status_code == 401
    assert desk.client.head("/v1/sources", headers=GOOD).status_code == 200


def test_every_response_forbids_caching_and_sniffing(desk: Desk) -> None:
    responses = [
        desk.ask(),
        desk.ask(b""),
        desk.client.get("/healthz"),
        desk.client.get("/nowhere"),
        desk.client.get("/v1/sources"),
        desk.client.get("/openapi.json"),
    ]
    for response in responses:
        assert response.headers["cache-control"] == "no-store"
        assert response.headers["x-content-type-options"] == "nosniff"
        assert response.headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert len({response.headers["x-request-id"] for response in responses}) == 6


def test_a_request_id_is_never_the_clients(desk: Desk) -> None:
    assert desk.client.get("/healthz", headers={"X-Request-Id": NEEDLE}).headers["x-request-id"] == "r1"


def test_the_connection_is_closed_after_a_body_was_refused(desk: Desk) -> None:
    assert desk.ask(headers={}).headers["connection"] == "close"
    assert desk.ask(b" " * (MAX_BODY_BYTES + 1)).headers["connection"] == "close"
    assert "connection" not in desk.ask().headers
    assert "connection" not in desk.client.get("/v1/sources").headers


def test_beyond_the_queue_a_request_is_told_to_come_back() -> None:
    gate, entered = threading.Event(), threading.Event()

    def wait(_: RetrievalRequest) -> Answer:
        entered.set()
        gate.wait(60)
        return NOTHING_VISIBLE

    app = app_over(FakeGateway(answer=wait), retrieve_threads=1, max_retrievals_waiting=0)
    with TestClient(app) as client:
        desk = Desk(client=client, gateway=FakeGateway())
        first = threading.Thread(target=desk.ask)
        first.start()
        assert entered.wait(60)
        response = desk.ask()
        gate.set()
        first.join(10)
    problem_of(response, 503, "busy")
    assert response.headers["retry-after"] == "1"


@dataclass
class WaitingGateway(FakeGateway):
    """Waits where an index or an issuer can make it wait; knows an API key besides."""

    entered: threading.Event = field(default_factory=threading.Event)
    gate: threading.Event = field(default_factory=threading.Event)
    lost_patience: bool = False

    def _wait(self) -> None:
        self.entered.set()
        self.lost_patience = not self.gate.wait(60)

    def failing(self) -> tuple[str, ...]:
        self._wait()
        return super().failing()

    def verify(self, authorization: str | None) -> Caller:
        if authorization == "Bearer away":
            self._wait()
        return super().verify("Bearer good" if authorization == "Bearer pk_good" else authorization)


@pytest.mark.parametrize(
    ("path", "credential", "held_up"),
    [("/readyz", None, "pk_good"), ("/readyz", None, "good"), ("/v1/sources", "away", "pk_good")],
)
def test_an_index_holds_up_nobody_and_an_issuer_holds_up_no_key(
    monkeypatch: pytest.MonkeyPatch, path: str, credential: str | None, held_up: str
) -> None:
    monkeypatch.setattr(app_module, "VERIFY_THREADS", 1)
    gateway = WaitingGateway()
    with TestClient(app_over(gateway)) as client:
        headers = {"Authorization": f"Bearer {credential}"} if credential else {}
        waiting = threading.Thread(target=client.get, args=(path,), kwargs={"headers": headers})
        waiting.start()
        assert gateway.entered.wait(60)
        response = client.get("/v1/sources", headers={"Authorization": f"Bearer {held_up}"})
        gateway.gate.set()
        waiting.join(60)
    assert response.status_code == 200
    assert not gateway.lost_patience


def test_the_schema_says_what_bodies_hold_and_what_problems_look_like(desk: Desk) -> None:
    document = desk.client.get("/openapi.json").json()
    retrieve = document["paths"]["/v1/retrieve"]["post"]
    assert set(retrieve["responses"]) == {"200", "400", "401", "408", "413", "415", "422", "503"}
    for status, response in retrieve["responses"].items():
        assert list(response["content"]) == ["application/json" if status == "200" else "application/problem+json"]
    schema = retrieve["requestBody"]["content"]["application/json"]["schema"]
    assert schema["additionalProperties"] is False
    assert set(schema["properties"]) == {"query", "purpose", "sources", "k", "conversation"}
    examples = retrieve["responses"]["200"]["content"]["application/json"]["examples"]
    unknown = {"value": None, "status": "uncalibrated", "calibration": None, "missing_labels": None}
    assert examples["denied"]["value"]["confidence"] == unknown
    assert [scheme["scheme"] for scheme in document["components"]["securitySchemes"].values()] == ["bearer"]
