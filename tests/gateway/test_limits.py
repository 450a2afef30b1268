import threading
from collections.abc import Iterator

import anyio
import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from gateway.limits import BodyLimit, Pool
from gateway.problems import BodyIncompleteError, BodyTimeoutError, BodyTooLargeError, BusyError, RequestError


async def _echo_length(scope: Scope, receive: Receive, send: Send) -> None:
    body = await Request(scope, receive).body()
    await Response(str(len(body)))(scope, receive, send)


async def _ignore(scope: Scope, receive: Receive, send: Send) -> None:
    await Response("ignored")(scope, receive, send)


class Client:
    """Sends the given messages, then is silent for ever; keeps what it is told."""

    def __init__(self, *messages: Message, length: str | None = None) -> None:
        self._messages: Iterator[Message] = iter(messages)
        headers = [] if length is None else [(b"content-length", length.encode())]
        self.scope: Scope = {"type": "http", "method": "POST", "path": "/", "headers": headers}
        self.received: list[bytes] = []
        self.read_by_server = 0

    async def receive(self) -> Message:
        self.read_by_server += 1
        for message in self._messages:
            return message
        await anyio.sleep_forever()
        raise AssertionError

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.body":
            self.received.append(message["body"])

    def call(self, limit: BodyLimit) -> bytes:
        anyio.run(limit, self.scope, self.receive, self.send)
        return b"".join(self.received)


def part(size: int, *, more: bool) -> Message:
    return {"type": "http.request", "body": b"x" * size, "more_body": more}


def limit(*, timeout_s: float = 5.0) -> BodyLimit:
    return BodyLimit(_echo_length, max_bytes=10, timeout_s=timeout_s)


@pytest.mark.parametrize("length", [None, "10"])
def test_a_body_of_exactly_the_limit_passes(length: str | None) -> None:
    assert Client(part(4, more=True), part(6, more=False), length=length).call(limit()) == b"10"


def test_a_client_that_waits_for_leave_to_send_too_much_is_refused_without_reading() -> None:
    client = Client(part(11, more=False), length="11")
    client.scope["headers"].append((b"expect", b"100-continue"))
    with pytest.raises(BodyTooLargeError):
        client.call(limit())
    assert client.read_by_server == 0


@pytest.mark.parametrize("length", [None, "3", "99"])
def test_the_rest_of_a_body_that_is_too_large_is_thrown_away_within_bounds(length: str | None) -> None:
    ending = Client(part(6, more=True), part(5, more=True), part(9, more=False), length=length)
    endless = Client(*[part(10, more=True)] * 1000, length=length)
    for client, most in ((ending, 3), (endless, 12)):
        with pytest.raises(BodyTooLargeError):
            client.call(limit())
        assert client.read_by_server <= most


def test_a_body_that_nobody_asks_for_is_not_read() -> None:
    client = Client(part(11, more=False), length="11")
    assert client.call(BodyLimit(_ignore, max_bytes=10, timeout_s=5.0)) == b"ignored"
    assert client.read_by_server == 0


@pytest.mark.parametrize(
    ("messages", "error"),
    [
        ((part(1, more=True),), BodyTimeoutError),
        ((), BodyTimeoutError),
        ((part(1, more=True), {"type": "http.disconnect"}), BodyIncompleteError),
    ],
)
def test_a_body_that_does_not_arrive_is_given_up(messages: tuple[Message, ...], error: type[RequestError]) -> None:
    with pytest.raises(error):
        Client(*messages).call(limit(timeout_s=0.05))


def test_a_pool_runs_so_many_and_queues_so_many_and_refuses_the_rest() -> None:
    gate = threading.Event()
    running = threading.Semaphore(0)

    def work() -> str:
        running.release()
        gate.wait(60)
        return "done"

    async def flood() -> list[str]:
        pool = Pool(threads=2, max_waiting=1)
        outcomes: list[str] = []

        async def ask() -> None:
            try:
                outcomes.append(await pool.run(work))
            except BusyError as error:
                outcomes.append(error.code)
                gate.set()

        async with anyio.create_task_group() as group:
            for _ in range(5):
                group.start_soon(ask)
        return outcomes

    assert sorted(anyio.run(flood)) == ["busy", "busy", "done", "done", "done"]
