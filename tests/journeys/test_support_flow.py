"""The support flow of the samples: retrieve, draft, ticket; one outcome for each message, whatever dies on the way."""

import json
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway.answer import Answer
from tests.gateway.fakes import ANSWER
from tests.gateway.test_client import BUSY, CONFIDENT, UNSURE, Impostor, gateway
from tests.journeys.nursery import Nursery
from tests.journeys.penstock import PURPOSE, Penstock

FOLDER = Path(__file__).parents[2] / "data-samples" / "support_flow"
KETTLE = "What does a new kettle cost?"
CRICKET = "Who won the cricket match on the glacier?"
THINGS = (
    "kettle", "forklift", "printer", "ladder", "fire door", "projector", "bicycle", "defibrillator", "generator",
    "coffee grinder", "whiteboard", "dehumidifier", "pallet truck", "microscope", "lawnmower", "shredder",
    "hot water tank", "smoke alarm", "delivery van", "sewing machine",
)  # fmt: skip
FOREIGN = (
    "cricket match", "wedding cake", "tax return", "football score", "opera singer", "volcano", "passport", "dentist",
    "rabbit", "guitar string", "poem", "bank loan", "election", "sunburn", "chess opening", "marathon", "orchid",
    "whale", "glacier", "comet",
)  # fmt: skip


def documents() -> dict[str, str]:
    """A short note on each thing, of which each question below is answered by one."""
    return {
        f"{thing.replace(' ', '-')}.md": f"# {thing.capitalize()}\n\nThe {thing} is inspected every {number} months. "
        f"A new {thing} costs {number * 7} pounds and is ordered from warehouse {number}.\n"
        for number, thing in enumerate(THINGS, start=3)
    }


def golden() -> str:
    """120 questions that the notes answer and 80 that they do not."""
    known = [
        (question.format(thing=thing), [name])
        for name, thing in zip(documents(), THINGS, strict=True)
        for question in (
            "How often is the {thing} inspected?", "What does a {thing} cost?", "Where do I order a new {thing}?",
            "After how many months is the {thing} due for inspection?", "What is the price of a new {thing}?",
            "Which warehouse has the {thing}?",
        )
    ]  # fmt: skip
    unknown: list[tuple[str, list[str]]] = [
        (question.format(thing=thing), [])
        for thing in FOREIGN
        for question in (
            "Who won the {thing} last summer?", "How is a {thing} made in Paris?", "Why is the {thing} so famous?",
            "When can my sister see the {thing}?",
        )
    ]  # fmt: skip
    lines = [{"source": "notes", "query": query, "documents": named} for query, named in known + unknown]
    return "\n".join(map(json.dumps, lines))


@dataclass(frozen=True, kw_only=True)
class Flow:
    """The flow as somebody runs it from a shell."""

    url: str
    folder: Path
    token: str

    @property
    def command(self) -> list[str]:
        key = self.folder / "key.txt"
        key.write_text(f"{self.token}\n", "utf-8")
        options = ["--url", self.url, "--key", key, "--desk", self.folder / "desk.db"]
        return [*map(str, options), "--source", "notes", "--purpose", PURPOSE]

    def run(self, question: str, message: str) -> subprocess.CompletedProcess[str]:
        return _python(str(FOLDER / "flow.py"), question, "--message-id", message, *self.command)

    def die_drafting(self, question: str, message: str) -> None:
        """Handle a message in a process that is killed once it has its draft."""
        program = (
            f"import os, signal, sys; sys.path.insert(0, {str(FOLDER)!r}); import flow; "
            "flow.quote = lambda *_: os.kill(os.getpid(), signal.SIGKILL); sys.exit(flow.main(sys.argv[1:]))"
        )
        done = _python("-c", program, question, "--message-id", message, *self.command)
        assert done.returncode == -signal.SIGKILL, done

    def entries(self) -> list[tuple[str, str, str | None]]:
        """State, request and reply of everything on the desk."""
        desk = sqlite3.connect(self.folder / "desk.db")
        try:
            return desk.execute("SELECT state, request_id, reply FROM entry").fetchall()
        finally:
            desk.close()


def _python(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture(scope="module")
def calibrated(tmp_path_factory: pytest.TempPathFactory, nursery: Nursery) -> Penstock:
    """A home whose source is certified."""
    penstock = Penstock(folder=tmp_path_factory.mktemp("calibrated"), nursery=nursery)
    penstock.start(documents())
    questions = penstock.folder / "golden.jsonl"
    questions.write_text(golden(), "utf-8")
    penstock.must("calibrate", "notes", questions)
    return penstock


@pytest.fixture(scope="module")
def url(calibrated: Penstock) -> Iterator[str]:
    with calibrated.serving() as server:
        yield f"http://127.0.0.1:{server.port}"


@pytest.fixture
def flow(calibrated: Penstock, url: str, tmp_path: Path) -> Flow:
    return Flow(url=url, folder=tmp_path, token=calibrated.key("staff"))


def test_a_question_that_is_answered_becomes_one_ticket_however_often_it_is_handled(flow: Flow) -> None:
    first, again = flow.run(KETTLE, "42"), flow.run(KETTLE, "42")
    assert first.returncode == 0, first
    assert first.stdout.startswith("One ticket, ready to go out")
    assert "costs 21 pounds" in first.stdout
    assert "[1] Kettle, file:kettle.md" in first.stdout
    assert again.stdout == first.stdout
    assert [state for state, _, _ in flow.entries()] == ["ready"]
    flow.run(KETTLE, "43")
    assert len(flow.entries()) == 2


def test_a_process_killed_between_draft_and_ticket_leaves_none_and_the_next_makes_one(flow: Flow) -> None:
    flow.die_drafting(KETTLE, "42")
    flow.die_drafting(KETTLE, "42")
    assert flow.entries() == []
    assert flow.run(KETTLE, "42").stdout == flow.run(KETTLE, "42").stdout
    assert [state for state, _, _ in flow.entries()] == ["ready"]


def test_two_processes_at_once_make_one_ticket_and_say_the_same(flow: Flow) -> None:
    command = [sys.executable, str(FOLDER / "flow.py"), KETTLE, "--message-id", "42", *flow.command]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    said = {process.communicate(timeout=60)[0] for process in running}
    assert len(said) == 1
    assert [state for state, _, _ in flow.entries()] == ["ready"]


@pytest.mark.parametrize(
    ("answer", "state", "said", "reply"),
    [
        (CONFIDENT, "ready", "One ticket, ready", True),
        (ANSWER, "approval", "One ticket, to be approved", True),
        (UNSURE, "person", "No ticket. A person answers (request r1).", False),
    ],
)
def test_what_becomes_of_a_message_is_the_verdicts_to_say(
    tmp_path: Path,
    answer: Answer,
    state: str,
    said: str,
    reply: bool,  # noqa: FBT001 - a column
) -> None:
    with gateway(answer) as (_, client):
        flow = Flow(url=client.base_url, folder=tmp_path, token=client.token)
        done = flow.run(KETTLE, "42")
    assert done.stdout.startswith(said)
    ((found, request, text),) = flow.entries()
    assert (found, request, text is not None) == (state, "r1", reply)
    assert ("Leave is 25 days" in done.stdout) is reply


def test_a_gateway_that_is_away_settles_nothing_and_says_so(tmp_path: Path) -> None:
    impostor = Impostor(says=[BUSY])
    with impostor.listening() as client:
        flow = Flow(url=client.base_url, folder=tmp_path, token="good")
        done = flow.run(KETTLE, "42")
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.startswith("error: The gateway did not answer (503, busy).")
    assert flow.entries() == []
