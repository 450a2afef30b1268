"""The support flow of the samples: retrieve, draft, ticket; one outcome for each message, whatever dies on the way."""

import json
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from gateway.answer import Answer
from gateway.client import Client, ProblemError
from gateway.confidence import Certificate, Model
from gateway.settings import load
from gateway.wiring import clock, open_installation
from indexer import calibrations
from policies.model import SourceName
from tests.gateway.fakes import ANSWER
from tests.gateway.test_client import BUSY, CONFIDENT, UNSURE, Impostor, gateway
from tests.journeys.penstock import PURPOSE, Penstock

NOTES = SourceName("notes")
FOLDER = Path(__file__).parents[2] / "data-samples" / "support_flow"
QUESTION = "How many days of annual leave may be carried over?"
FOREIGN_QUESTION = "Who won the cricket match on the glacier?"
ANSWERED = {
    "leave.md": (
        "How many days of annual leave do we have?", "Until when must leave be carried over?",
        "May I carry over annual leave?", "How many days does everybody get?", "How much leave may be carried over?",
        "Does annual leave have to be used by June?",
    ),
    "parking.md": (
        "Where do visitors park their cars?", "Where can a visitor fetch a parking permit?",
        "Who gives permits at the gate?", "Is there parking behind the warehouse?", "Where is the permit for cars?",
        "May visitors park by the warehouse?",
    ),
    "canteen.md": (
        "When does the canteen serve soup?", "Until when is there porridge?", "What is there to eat at noon?",
        "When does the canteen open in the morning?", "Is porridge served from seven?", "What does the canteen serve?",
    ),
}  # fmt: skip
UNANSWERED = tuple(
    question.format(thing)
    for thing in ("opera singer", "volcano", "guitar string", "bank loan", "comet", "rabbit")
    for question in ("Who invented the {}?", "Why is my {} so loud?", "What does a {} look like?")
)


def golden() -> str:
    """Questions that the documents answer, and questions that they do not."""
    asked = [(query, [name]) for name, queries in ANSWERED.items() for query in queries]
    asked += [(query, []) for query in UNANSWERED]
    return "\n".join(json.dumps({"source": "notes", "query": query, "documents": named}) for query, named in asked)


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
def calibrated(settled: Penstock, tmp_path_factory: pytest.TempPathFactory) -> Penstock:
    """A home whose source answers, because it is told that its few labels certify it: 200 would take a minute."""
    penstock = settled.copied(tmp_path_factory.mktemp("calibrated") / "copy")
    questions = penstock.folder / "golden.jsonl"
    questions.write_text(golden(), "utf-8")
    penstock.must("calibrate", "notes", questions)
    certificate = Certificate(threshold=0.5, max_risk=0.1, delta=0.1, labels=100, served=50, wrong=0)
    with open_installation(load(penstock.environment)) as opened, opened.database.writing() as session:
        stored = calibrations.latest(session, NOTES)
        assert stored is not None
        model = replace(Model.load(stored), certificate=certificate, threshold=0.5, labels=200, unanswerable=80)
        calibrations.store(session, NOTES, calibration=model.id, model=model.dump(), now=clock())
    return penstock


@pytest.fixture(scope="module")
def url(calibrated: Penstock) -> Iterator[str]:
    with calibrated.serving() as server:
        yield f"http://127.0.0.1:{server.port}"


@pytest.fixture
def flow(calibrated: Penstock, url: str, tmp_path: Path) -> Flow:
    return Flow(url=url, folder=tmp_path, token=calibrated.key("staff"))


def test_a_question_that_is_answered_becomes_one_ticket_however_often_it_is_handled(flow: Flow) -> None:
    first, again = flow.run(QUESTION, "42"), flow.run(QUESTION, "42")
    assert first.returncode == 0, first
    assert first.stdout.startswith("One ticket, ready to go out")
    assert "may carry five days over" in first.stdout
    assert "[1] Annual leave, file:leave.md" in first.stdout
    assert again.stdout == first.stdout
    assert [state for state, _, _ in flow.entries()] == ["ready"]
    flow.run(QUESTION, "43")
    assert len(flow.entries()) == 2


def test_a_process_killed_between_draft_and_ticket_leaves_none_and_the_next_makes_one(flow: Flow) -> None:
    flow.die_drafting(QUESTION, "42")
    flow.die_drafting(QUESTION, "42")
    assert flow.entries() == []
    assert flow.run(QUESTION, "42").stdout == flow.run(QUESTION, "42").stdout
    assert [state for state, _, _ in flow.entries()] == ["ready"]


def test_two_processes_at_once_make_one_ticket_and_say_the_same(flow: Flow) -> None:
    command = [sys.executable, str(FOLDER / "flow.py"), QUESTION, "--message-id", "42", *flow.command]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    said = {process.communicate(timeout=60)[0] for process in running}
    assert len(said) == 1
    assert [state for state, _, _ in flow.entries()] == ["ready"]


def waiting(penstock: Penstock) -> dict[str, str]:
    """What was handed off and waits for a person, by request."""
    listed = penstock.must("handoff", "list", "--state", "waiting", "--json").json()
    return {one["request_id"]: one["id"] for one in listed if one["kind"] == "handoff"}


def feedback(penstock: Penstock) -> tuple[int, int]:
    """How many labels people have given: answerable, unanswerable."""
    told = penstock.must("report", "notes", "--json").json()["labels"]
    (given,) = (one for one in told if one["origin"] == "feedback")
    return given["answerable"], given["unanswerable"]


def test_a_question_without_an_answer_waits_once_for_a_person_whose_word_is_counted(
    flow: Flow, calibrated: Penstock
) -> None:
    first = flow.run(FOREIGN_QUESTION, "44")
    ((state, request, reply),) = flow.entries()
    assert (first.stdout, state, reply) == (f"No ticket. A person answers (request {request}).\n", "person", None)
    assert flow.run(FOREIGN_QUESTION, "44").stdout == first.stdout
    (flow.folder / "desk.db").unlink()  # as if the process had died before it wrote anything down
    assert flow.run(FOREIGN_QUESTION, "44").returncode == 0
    assert set(waiting(calibrated)) == {request}
    assert feedback(calibrated) == (0, 0)
    calibrated.must("handoff", "resolve", waiting(calibrated)[request], "--insufficient", "--unanswerable")
    assert waiting(calibrated) == {}
    assert feedback(calibrated) == (0, 1)
    assert flow.run(FOREIGN_QUESTION, "44").stdout.startswith("No ticket.")
    assert [state for state, _, _ in flow.entries()] == ["person"]


def test_what_a_reviewer_says_of_a_ticket_is_counted_and_what_the_agent_says_is_not(
    flow: Flow, calibrated: Penstock
) -> None:
    flow.run(QUESTION, "45")
    ((_, request, _),) = flow.entries()
    before = feedback(calibrated)
    with pytest.raises(ProblemError) as refused:
        Client(flow.url, flow.token).feedback(request, sufficient=True)
    assert refused.value.code == "forbidden"
    asked = ("--subject", "rita", "--group", "staff", "--purpose", PURPOSE, "--region", "gb", "--role", "reviewer")
    reviewer = Client(flow.url, calibrated.must("key", "create", *asked).out.strip())
    reviewer.feedback(request, sufficient=True)
    reviewer.feedback(request, sufficient=True)
    assert feedback(calibrated) == (before[0] + 1, before[1])
    with pytest.raises(ProblemError, match="no such answered request"):
        reviewer.feedback("0" * 24, sufficient=True)


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
        done = flow.run(QUESTION, "42")
    assert done.stdout.startswith(said)
    ((found, request, text),) = flow.entries()
    assert (found, request, text is not None) == (state, "r1", reply)
    assert ("Leave is 25 days" in done.stdout) is reply


def test_a_gateway_that_is_away_settles_nothing_and_says_so(tmp_path: Path) -> None:
    impostor = Impostor(says=[BUSY])
    with impostor.listening() as client:
        flow = Flow(url=client.base_url, folder=tmp_path, token="good")
        done = flow.run(QUESTION, "42")
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.startswith("error: The gateway did not answer (503, busy).")
    assert flow.entries() == []
