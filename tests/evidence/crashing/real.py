"""Kills of the real thing: the console command with its real models, while the real server answers over HTTP."""

import random
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

from tests.journeys.penstock import SCRIPT, Penstock, Server, links

DOCUMENTS = 24
CHANGES = 5
COMMANDS = (("sync", "notes"), ("sync", "notes"), ("rebuild", "notes"))
TOPICS = ("canteen", "parking", "bicycles", "pensions", "travel", "laptops", "badges", "visitors")


@dataclass(frozen=True, kw_only=True)
class Kill:
    """One kill: whether it came before the command ended, how long the next one took, and what was wrong after it."""

    killed: bool
    recovery_s: float
    problems: Sequence[str]


def kills(number: int, chance: random.Random) -> tuple[list[Kill], int]:
    """Kill so many commands and let others go on. The kills, and how many questions were answered meanwhile."""
    with tempfile.TemporaryDirectory(prefix="penstock-kills-") as folder:
        penstock = Penstock(folder=Path(folder))
        penstock.start({_name(at): _text(chance, at, "first") for at in range(DOCUMENTS)}, max_deletes=1.0)
        began = time.perf_counter()
        penstock.must("rebuild", "notes")
        longest_s = time.perf_counter() - began
        key = penstock.key("staff")
        made: list[Kill] = []
        with penstock.serving() as server, _asking(server, key) as asked:
            while sum(kill.killed for kill in made) < number and len(made) < 3 * number:
                made.append(_kill(penstock, server, key, chance, longest_s=longest_s, number=len(made)))
        return [*made, Kill(killed=False, recovery_s=0, problems=asked.wrong)], asked.answers


def _kill(
    penstock: Penstock, server: Server, key: str, chance: random.Random, *, longest_s: float, number: int
) -> Kill:
    mark = f"mark{number}"
    changed = chance.sample(range(DOCUMENTS), CHANGES)
    penstock.write({_name(at): _text(chance, at, mark) for at in changed}, max_deletes=1.0)
    (penstock.documents / _name(chance.choice([at for at in range(DOCUMENTS) if at not in changed]))).unlink(
        missing_ok=True
    )
    command = chance.choice(COMMANDS)
    doomed = subprocess.Popen([SCRIPT, *command], env=penstock.environment, stderr=subprocess.DEVNULL)
    try:
        doomed.wait(chance.uniform(0.3, longest_s))
    except subprocess.TimeoutExpired:
        doomed.kill()
    killed = doomed.wait() < 0
    began = time.perf_counter()
    synced = penstock.run("sync", "notes")
    recovery_s = time.perf_counter() - began
    problems = [f"the sync after it failed: {synced.err}"] if synced.code else []
    verified = penstock.run("verify")
    problems += [f"verify: {verified.out}"] if verified.code else []
    expected = {path.name for path in penstock.documents.iterdir()}
    standing = penstock.status()
    if (standing["indexed"], standing["quarantined"]) != (len(expected), 0):
        problems.append(f"{standing['indexed']} documents are indexed of {len(expected)}")
    status, answer = server.ask(f"What is said of {mark}?", key, k=CHANGES)
    texts = " ".join(passage["text"] for passage in answer.get("passages", []))
    if status != HTTPStatus.OK or mark not in texts or not {*links(answer)} <= {f"file:{name}" for name in expected}:
        problems.append(f"the server answers {status} without what was changed")
    return Kill(
        killed=killed,
        recovery_s=recovery_s,
        problems=[f"{problem} (kill {number} of {' '.join(command)})" for problem in problems],
    )


@dataclass(kw_only=True)
class _Asked:
    answers: int
    wrong: list[str]


@contextmanager
def _asking(server: Server, key: str) -> Iterator[_Asked]:
    """Ask the server again and again: there must always be an answer with passages."""
    asked, stop = _Asked(answers=0, wrong=[]), threading.Event()

    def ask() -> None:
        while not stop.wait(0.1):
            status, answer = server.ask("Who may use it and when?", key)
            asked.answers += 1
            if status != HTTPStatus.OK or not answer["passages"]:
                asked.wrong.append(f"while a command was killed the server answered {status}")

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield asked
    finally:
        stop.set()
        thread.join()


def _name(at: int) -> str:
    return f"{at:02}.md"


def _text(chance: random.Random, at: int, mark: str) -> str:
    topic = TOPICS[at % len(TOPICS)]
    lines = [f"# {topic.title()} {at}", f"This is said of {mark}."]
    lines += [f"Staff may use the {topic} from {chance.randrange(6, 12)} to {chance.randrange(13, 20)}." for _ in "123"]
    return "\n\n".join(lines)
