"""The client against a gateway, and against whatever else may listen at its address."""

import json
import logging
import pickle  # noqa: TID251 - what others do with an answer
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, astuple, dataclass, field, replace
from pathlib import Path
from typing import Any, assert_never

import pytest

from gateway import client as client_module
from gateway import exchange as exchange_module
from gateway.answer import NOTHING_VISIBLE, Answer, Confidence
from gateway.app import server
from gateway.client import (
    CAVEATS,
    AddressError,
    Answered,
    AwayError,
    Cautioned,
    Client,
    HandedOff,
    MalformedError,
    ProblemError,
    Retrieved,
)
from gateway.guardrail import Cause
from gateway.schemas import render_answer
from policies.errors import DependencyError, RefusedError
from policies.model import ConfidenceStatus, SourceName, Verdict
from tests.gateway.certificates import certified
from tests.gateway.fakes import ANSWER, PASSAGE, FakeGateway, app_over
from tests.patience import patient

ROOT = Path(__file__).parents[2]
TOKEN = "pk_secret-token"
QUERY = "How many days of leave?"
PURPOSE = "employee-support"
HR = frozenset({SourceName("hr-handbook")})
CONFIDENT = Answer(
    verdict=Verdict.ANSWER,
    reasons=(),
    confidence=Confidence(value=0.97, status=ConfidenceStatus.CERTIFIED, calibration="c1"),
    passages=(PASSAGE,),
)
UNSURE = replace(ANSWER, verdict=Verdict.HANDOFF, reasons=("below_threshold",))


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "BACKOFF_S", 0.02)


@contextmanager
def gateway(answer: Answer) -> Iterator[tuple[FakeGateway, Client]]:
    """A gateway that says this to everything, on a port of its own, and a client of it."""
    fake = FakeGateway(answer=lambda _: answer)
    served = server(app_over(fake), host="127.0.0.1", port=0)
    thread = threading.Thread(target=served.run)
    thread.start()
    try:
        while not served.started:
            time.sleep(0.01)
        port = served.servers[0].sockets[0].getsockname()[1]
        yield fake, Client(f"http://127.0.0.1:{port}", "good")
    finally:
        served.should_exit = True
        thread.join(20)


def ask(client: Client, **options: Any) -> Retrieved:  # noqa: ANN401 - what retrieve takes
    return client.retrieve(QUERY, purpose=PURPOSE, **options)


def allowed(found: Retrieved) -> str:
    """A guardrail. Leaving a case out is an error of the type checker."""
    match found:
        case Answered(passages=passages, confidence=confidence):
            return f"send {passages[0].title} {confidence:.2f}"
        case Cautioned(passages=passages, caveats=caveats):
            return f"approve {passages[0].title}: {' '.join(caveats)}"
        case HandedOff(request_id=request):
            return f"person {request}"
        case other:
            assert_never(other)


@pytest.mark.parametrize(
    ("answer", "done"),
    [
        (CONFIDENT, "send Leave 0.97"),
        (ANSWER, "approve Leave: The confidence rests on few labelled questions."),
        (UNSURE, "person r1"),
        (NOTHING_VISIBLE, "person r1"),
    ],
)
def test_each_verdict_is_a_type_that_a_guardrail_must_handle(answer: Answer, done: str) -> None:
    with gateway(answer) as (_, client):
        assert allowed(ask(client)) == done


def test_an_answer_arrives_as_it_was_given() -> None:
    with gateway(CONFIDENT) as (fake, client):
        found = ask(client, sources=["hr-handbook"], k=3, conversation="c-7")
        assert found == Answered(
            request_id="r1",
            reasons=(),
            status=ConfidenceStatus.CERTIFIED,
            calibration="c1",
            confidence=0.97,
            passages=(replace(PASSAGE, score=0.123457),),
        )
        (_, request, _) = fake.asked[0]
        assert (request.query, request.purpose, request.k, request.conversation) == (QUERY, PURPOSE, 3, "c-7")
        assert request.sources == HR
        ask(client, sources="hr-handbook")
        assert fake.asked[1][1].sources == HR
        ask(client)
        assert fake.asked[2][1].sources is None


def test_the_passages_of_a_handoff_are_had_only_by_saying_so(caplog: pytest.LogCaptureFixture) -> None:
    with gateway(UNSURE) as (_, client), caplog.at_level(logging.WARNING, logger="gateway.client"):
        found = ask(client)
        assert isinstance(found, HandedOff)
        assert not hasattr(found, "passages")
        assert (found.confidence, found.reasons) == (0.8765, ("below_threshold",))
        for reason in ("", "  ", "x" * 201):
            with pytest.raises(RefusedError, match="for a reason only"):
                found.passages_against_verdict(reason=reason)
        assert not caplog.records
        assert [passage.text for passage in found.passages_against_verdict(reason="shown to staff")] == [PASSAGE.text]
    assert [record.getMessage() for record in caplog.records] == [
        "hand-off read against its verdict request=r1 reason='shown to staff'"
    ]


def test_what_logs_or_keeps_a_whole_handoff_gets_no_passage() -> None:
    with gateway(UNSURE) as (_, client):
        found = ask(client)
    assert isinstance(found, HandedOff)
    kept = pickle.dumps(found)
    shown = (str(asdict(found)), str(astuple(found)), json.dumps(asdict(found), default=str), repr(kept))
    assert not any(PASSAGE.text in one or PASSAGE.title in one for one in shown)
    again = pickle.loads(kept)  # noqa: S301 - made above
    assert again == found
    with pytest.raises(RefusedError, match="not kept in a pickle"):
        again.passages_against_verdict(reason="shown to staff")
    assert replace(found, reasons=()).passages_against_verdict(reason="shown to staff")


@pytest.mark.parametrize("answer", [CONFIDENT, ANSWER, UNSURE])
def test_no_repr_holds_a_passage_or_the_token(answer: Answer) -> None:
    with gateway(answer) as (_, client):
        found = ask(client)
    for shown in (repr(found), str(found), repr(client)):
        for secret in (PASSAGE.text, "Leave", "intranet.example", "good"):
            assert secret not in shown
    assert "r1" in repr(found)


def test_what_is_missing_is_told_by_a_gateway_that_knows() -> None:
    with gateway(UNSURE) as (_, client):
        found = ask(client)
        assert (found.missing_labels, found.unmatched_terms) == (26, ("Sabbatjahr",))
        assert "Sabbatjahr" not in repr(found)
    older = json.loads(render_answer(UNSURE, "r1"))
    del older["unmatched_terms"], older["confidence"]["missing_labels"]
    with Impostor([http(json.dumps(older).encode())]).listening() as client:
        found = ask(client)
        assert (found.missing_labels, found.unmatched_terms) == (None, ())


def test_every_reason_of_the_gateway_has_a_sentence() -> None:
    assert set(CAVEATS) == set(Cause)


def test_a_refusal_says_what_the_gateway_said() -> None:
    with gateway(CONFIDENT) as (_, client):
        with pytest.raises(ProblemError, match="k: how many passages: a whole number from 1 to 50") as caught:
            ask(client, k=51)
        assert (caught.value.code, caught.value.http_status) == ("body_invalid", 422)
        assert caught.value.request_id == "r1"
        with pytest.raises(ProblemError) as refused:
            ask(replace(client, token="unknown"))
    assert (refused.value.code, refused.value.http_status) == ("unauthenticated", 401)
    assert "unknown" not in str(refused.value)


def test_importing_it_needs_the_standard_library_alone() -> None:
    """Without site-packages, so that whatever is installed beside it cannot help."""
    program = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r}); import gateway.client; "
        "print(*sorted({name.partition('.')[0] for name in sys.modules} - sys.stdlib_module_names))"
    )
    done = subprocess.run([sys.executable, "-I", "-S", "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["__main__", "gateway", "policies"]


@pytest.mark.parametrize(
    "url",
    [
        "http://gateway.example",
        "http://10.0.0.7:8080",
        "http://127.0.0.1.example",
        "http://localhost.example:8080",
    ],
)
def test_the_token_does_not_cross_the_network_in_clear_text_unasked(url: str) -> None:
    with pytest.raises(AddressError, match="clear text"):
        Client(url, TOKEN)
    assert Client(url, TOKEN, clear_text=True).base_url == url


@pytest.mark.parametrize(
    "url",
    ["", "gateway.example", "ftp://gateway.example", "https://", "https://ann:hunter2@gateway.example",
     "https://gateway.example?token=hunter2", "https://gateway.example#x", "https://gateway.example:hunter2",
     "https://gateway.example/ hunter2", "https://gateway.example\r\nx: hunter2", "https://[::1"],
)  # fmt: skip
def test_what_is_no_address_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(AddressError) as caught:
        Client(url, TOKEN)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("token", ["", "Bearer x", "x\r\nX-Admin: 1", "x\n", "é"])
def test_what_is_no_token_is_refused_without_repeating_it(token: str) -> None:
    with pytest.raises(RefusedError) as caught:
        Client("http://127.0.0.1", token)
    assert str(caught.value) == "The token is none. Give it alone, without `Bearer` and without line ends."


def http(body: bytes, *, status: str = "200 OK", kind: str = "application/json", more: str = "") -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n{more}\r\n"
    return head.encode() + body


GOOD = render_answer(CONFIDENT, "r1")
BUSY = http(
    json.dumps({"code": "busy", "detail": "Retry later.", "request_id": "r9"}).encode(),
    status="503 Service Unavailable", kind="application/problem+json", more="Retry-After: 0\r\n",
)  # fmt: skip


@dataclass
class Impostor:
    """Listens and says what it was told to, one thing a connection, the last again and again."""

    says: Sequence[bytes | Callable[[socket.socket], None]]
    heard: list[bytes] = field(default_factory=list)
    tls: ssl.SSLContext | None = None
    port: int = 0

    @contextmanager
    def listening(self) -> Iterator[Client]:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.port = listener.getsockname()[1]
            thread = threading.Thread(target=self._serve, args=(listener,))
            thread.start()
            try:
                yield Client(f"http://127.0.0.1:{self.port}", TOKEN, timeout_s=5)
            finally:
                listener.shutdown(socket.SHUT_RDWR)
                thread.join(20)

    def _serve(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection, suppress(OSError):  # the client went away, as it should
                self._exchange(self.tls.wrap_socket(connection, server_side=True) if self.tls else connection)

    def _exchange(self, connection: socket.socket) -> None:
        self.heard.append(_request(connection))
        said = self.says[min(len(self.heard), len(self.says)) - 1]
        if isinstance(said, bytes):
            connection.sendall(said)
        else:
            said(connection)
        connection.close()


def _request(connection: socket.socket) -> bytes:
    heard = b""
    while b"\r\n\r\n" not in heard or not heard.endswith(b"}"):
        chunk = connection.recv(65_536)
        if not chunk:
            break
        heard += chunk
    return heard


def header(request: bytes, name: str) -> list[str]:
    lines = request.split(b"\r\n\r\n")[0].decode().split("\r\n")[1:]
    return [value for line in lines for key, _, value in [line.partition(": ")] if key.lower() == name.lower()]


def bent(**changes: object) -> bytes:
    """A good answer but for these; `...` leaves one out."""
    whole: dict[str, object] = json.loads(GOOD) | changes
    return json.dumps({name: value for name, value in whole.items() if value is not ...}).encode()


def bent_passage(**changes: object) -> bytes:
    (passage,) = json.loads(GOOD)["passages"]
    return bent(passages=[{key: value for key, value in (passage | changes).items() if value is not ...}])


CONFIDENCE: Mapping[str, object] = {"value": 0.9, "status": "certified", "calibration": "c1"}


@pytest.mark.parametrize(
    "body",
    [
        b"", b"null", b"[]", b'"answer"', b"<html>answer</html>", GOOD[:-1], GOOD + b"{}", b"\xff" + GOOD,
        b"[" * 100_000, GOOD.replace(b'"r1"', b'"r1","verdict":"answer"', 1).replace(b'"answer"', b'"handoff"', 1),
        bent(verdict=...), bent(verdict="ANSWER"), bent(verdict="sure"), bent(verdict=None), bent(verdict=["answer"]),
        bent(reasons=...), bent(reasons="none"), bent(reasons=[1]), bent(request_id=7), bent(request_id=...),
        bent(confidence=...), bent(confidence=0.9), bent(confidence=[]), bent(confidence=dict(CONFIDENCE, value="1")),
        bent(confidence=dict(CONFIDENCE, value=True)), bent(confidence=dict(CONFIDENCE, value=1.0001)),
        bent(confidence=dict(CONFIDENCE, value=-0.1)), bent(confidence=dict(CONFIDENCE, value=10**400)),
        bent(confidence=dict(CONFIDENCE, value=float("nan"))), bent(confidence=dict(CONFIDENCE, value=float("inf"))),
        GOOD.replace(b"0.97", b"1e999"), bent(confidence=dict(CONFIDENCE, value=None)),
        bent(confidence=dict(CONFIDENCE, status="sure")), bent(confidence=dict(CONFIDENCE, status="provisional")),
        bent(confidence={"value": 0.9, "status": "certified"}),
        bent(passages=[]), bent(passages=...), bent(passages={}), bent(passages=["Leave"]), bent(passages=None),
        bent_passage(text=None), bent_passage(text=...), bent_passage(text="\ud800"), bent_passage(score="1"),
        bent_passage(page=1.5), bent_passage(page=...), bent_passage(ordinal=-1), bent_passage(ordinal=True),
        bent(verdict="caution", passages=[]), bent(verdict="caution", confidence=dict(CONFIDENCE, value=None)),
    ],
)  # fmt: skip
def test_whatever_is_no_whole_and_consistent_answer_is_an_error(body: bytes) -> None:
    impostor = Impostor(says=[http(body)])
    with impostor.listening() as client, pytest.raises(MalformedError) as caught:
        ask(client)
    assert len(impostor.heard) == 1
    assert "Leave" not in str(caught.value)


def test_keys_of_a_later_version_are_passed_over() -> None:
    with Impostor(says=[http(bent(hint={"terms": 3}))]).listening() as client:
        assert isinstance(ask(client), Answered)


@pytest.mark.parametrize(
    "said",
    [
        http(GOOD, kind="text/html"),
        http(GOOD, more="Content-Encoding: gzip\r\n"),
        http(GOOD, status="206 Partial Content"),
        http(GOOD, status="202 Accepted"),
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200,
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000,
    ],
)
def test_what_only_looks_like_an_answer_is_an_error(said: bytes) -> None:
    with Impostor(says=[said]).listening() as client, pytest.raises(MalformedError):
        ask(client)


def test_an_answer_without_end_is_not_read_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange_module, "MAX_ANSWER_BYTES", 100_000)

    def endless(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n")
        while True:
            connection.sendall(b" " * 65_536)

    with Impostor(says=[endless]).listening() as client, pytest.raises(MalformedError, match="larger than 100000"):
        ask(client)


@pytest.mark.parametrize(
    "said",
    [
        http(GOOD)[:-20],
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n"
        % (len(GOOD), GOOD),
        b"",
    ],
)
def test_an_answer_that_breaks_off_is_none_even_where_it_looks_whole(said: bytes) -> None:
    impostor = Impostor(says=[said])
    with impostor.listening() as client, pytest.raises(AwayError, match="broke off") as caught:
        ask(client)
    assert len(impostor.heard) == 1
    assert "Leave" not in str(caught.value)
    assert caught.value.__cause__ is None


def trickling(said: bytes) -> Callable[[socket.socket], None]:
    def trickle(connection: socket.socket) -> None:
        for place in range(len(said)):
            connection.sendall(said[place : place + 1])
            time.sleep(0.02)

    return trickle


@pytest.mark.parametrize("said", [trickling(http(GOOD)), trickling(b"HTTP/1.1 200 OK\r\n" + b"X" * 300)])
def test_the_time_is_for_the_whole_answer_however_slowly_it_comes(said: Callable[[socket.socket], None]) -> None:
    with Impostor(says=[said]).listening() as client, patient(), pytest.raises(AwayError) as caught:
        ask(replace(client, timeout_s=0.3))
    assert caught.value.code == "timeout"
    assert isinstance(caught.value, DependencyError)


@pytest.mark.parametrize("status", ["301 Moved Permanently", "302 Found", "307 Temporary Redirect", "308 x"])
def test_a_redirect_is_not_followed(status: str) -> None:
    other = Impostor(says=[http(GOOD)])
    with other.listening() as elsewhere:
        moved = http(b"", status=status, more=f"Location: {elsewhere.base_url}/v1/retrieve\r\n")
        with Impostor(says=[moved]).listening() as client, pytest.raises(AddressError, match="redirect"):
            ask(client)
    assert other.heard == []


def test_a_busy_gateway_is_asked_again_with_the_same_key() -> None:
    impostor = Impostor(says=[BUSY, BUSY.replace(b"503 Service Unavailable", b"429 Too Many"), http(GOOD)])
    with impostor.listening() as client:
        assert isinstance(ask(client), Answered)
        ask(client)
        ask(client, key='ticket "42"\\')
    first, second, third, fourth, last = (header(request, "idempotency-key") for request in impostor.heard)
    assert first == second == third != fourth
    assert len(first) == 1
    assert last == ['"ticket \\"42\\"\\\\"']
    assert impostor.heard[0] == impostor.heard[1] == impostor.heard[2]


def test_a_gateway_that_stays_busy_is_let_go() -> None:
    impostor = Impostor(says=[BUSY])
    with impostor.listening() as client, pytest.raises(AwayError) as caught:
        ask(client)
    assert len(impostor.heard) == client_module.TRIES
    assert (caught.value.code, caught.value.request_id, caught.value.retry_after_s) == ("busy", "r9", 0)


def test_what_is_to_be_waited_for_longer_than_there_is_time_is_not() -> None:
    impostor = Impostor(says=[BUSY.replace(b"Retry-After: 0", b"Retry-After: 60")])
    with patient(), impostor.listening() as client, pytest.raises(AwayError) as caught:
        ask(client)
    assert caught.value.retry_after_s == 60


@pytest.mark.parametrize("status", ["500 Internal Server Error", "502 Bad Gateway", "504 Gateway Timeout"])
def test_what_may_have_been_done_is_not_asked_again(status: str) -> None:
    impostor = Impostor(says=[http(b"<html>oops</html>", status=status, kind="text/html")])
    with impostor.listening() as client, pytest.raises(AwayError) as caught:
        ask(client)
    assert len(impostor.heard) == 1
    assert caught.value.code == f"http_{status[:3]}"
    assert "oops" not in str(caught.value)


def test_a_gateway_that_is_not_there_yet_is_asked_again() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    client = Client(f"http://127.0.0.1:{port}", TOKEN)
    began = time.monotonic()
    with pytest.raises(AwayError, match="Nothing listens there"):
        ask(client)
    assert time.monotonic() - began > client_module.BACKOFF_S


def test_a_problem_is_shown_without_what_steers_a_terminal() -> None:
    said = {"code": "body_invalid", "detail": "\x1b[2JNot\n" + "so " * 2000, "request_id": "r1"}
    problem = http(json.dumps(said).encode(), status="422 x", kind="application/problem+json")
    with Impostor(says=[problem]).listening() as client, pytest.raises(ProblemError) as caught:
        ask(client)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 2100


@pytest.mark.parametrize("key", ["", "é", "x\r\ny", "x" * 256])
def test_what_is_no_key_is_refused_before_anything_is_sent(key: str) -> None:
    impostor = Impostor(says=[http(GOOD)])
    with impostor.listening() as client, pytest.raises(RefusedError, match="The key is none"):
        ask(client, key=key)
    assert impostor.heard == []


def test_feedback_tells_what_is_known_and_believes_only_its_own_words() -> None:
    kept = {"request_id": "r1", "sufficient": True, "answerable": None}
    impostor = Impostor(says=[http(json.dumps(kept).encode()), http(json.dumps(kept).encode()), http(b"{}")])
    with impostor.listening() as client:
        client.feedback("r1", sufficient=True)
        for request in ("r2", "r1"):
            with pytest.raises(MalformedError):
                client.feedback(request, sufficient=False, answerable=False, key="k")
    bodies = [json.loads(request.split(b"\r\n\r\n")[1]) for request in impostor.heard]
    assert bodies[:2] == [
        {"request_id": "r1", "sufficient": True},
        {"request_id": "r2", "sufficient": False, "answerable": False},
    ]
    assert impostor.heard[0].startswith(b"POST /v1/feedback HTTP/1.1\r\n")
    assert header(impostor.heard[1], "authorization") == [f"Bearer {TOKEN}"]


def test_a_path_before_the_gateways_own_is_kept() -> None:
    impostor = Impostor(says=[http(GOOD)])
    with impostor.listening() as client:
        ask(replace(client, base_url=f"{client.base_url}/penstock/"))
    assert impostor.heard[0].startswith(b"POST /penstock/v1/retrieve HTTP/1.1\r\n")


def test_a_host_that_does_not_prove_its_name_hears_nothing(tmp_path: Path) -> None:
    certificate, context = certified(tmp_path)
    impostor = Impostor(says=[http(GOOD)], tls=context)
    with impostor.listening():
        trusting = ssl.create_default_context(cafile=certificate)
        for url, tls in (
            (f"https://localhost:{impostor.port}", None),
            (f"https://127.0.0.1:{impostor.port}", trusting),
        ):
            with pytest.raises(AddressError, match="does not prove"):
                ask(Client(url, TOKEN, tls=tls))
        assert impostor.heard == []
        assert isinstance(ask(Client(f"https://localhost:{impostor.port}", TOKEN, tls=trusting)), Answered)
    assert len(impostor.heard) == 1


def test_the_public_names_are_those_that_are_promised() -> None:
    assert set(client_module.__all__) == {
        "AddressError", "Answered", "AwayError", "Cautioned", "CitedPassage", "Client", "ConfidenceStatus",
        "HandedOff", "MalformedError", "ProblemError", "Retrieved",
    }  # fmt: skip
