"""Questions to both homes, while what is hidden comes to one of them and goes."""

import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from random import Random

from httpx2 import Response
from starlette.testclient import TestClient

from gateway.reader import Reader
from indexer import erase
from policies.errors import QuarantineError
from policies.model import Access
from policies.purge import ErasureRequest
from tests.evidence.interference.twin import (
    FOR_OTHERS,
    PEOPLE,
    RESTRICTED,
    ROUNDS,
    SECRETS,
    WORDS,
    Twin,
    file_of,
    twins,
)
from tests.gateway.calibrating import PURPOSE
from tests.indexer.workbench import ACTOR, File

SHOWN = 5
ASKED = ("hr-handbook", "wiki", "legal", "dark", "hr-handbook legal unheard-of", "hr-handbook dark", "dark legal")
BROKEN = QuarantineError("It was lost.", reason="crashed", stage="redact", mend="Retry.")


@dataclass(kw_only=True)
class Tally:
    """What was compared."""

    requests: int = 0
    calibrated: int = 0
    replayed: int = 0
    with_passages: int = 0
    statuses: Counter[str] = field(default_factory=Counter)
    different: Counter[str] = field(default_factory=Counter)
    examples: list[str] = field(default_factory=list)


def compared(queries: int, seed: int, *, rounds: int = ROUNDS, reader: Reader | None = None) -> Tally:
    """Ask both twins so many questions, while what is hidden comes and goes in one of them."""
    chance, tally = Random(seed), Tally()  # noqa: S311 - a repeatable run, not a secret
    with tempfile.TemporaryDirectory(prefix="penstock-twins-") as folder, ExitStack() as stack:
        full, plain = both = stack.enter_context(twins(Path(folder), chance, reader))
        clients = [stack.enter_context(twin.served()) for twin in both]
        for number in range(rounds):
            change = _hidden_comes if number % 2 == 0 else _hidden_goes
            change(full, plain, chance, number)
            share = len(range(number, queries, rounds))
            for _ in range(share):
                _ask(both, clients, chance, tally)
            print(f"\r{tally.requests} requests", end="", file=sys.stderr, flush=True)
        tally.replayed = full.replayed()
    print(file=sys.stderr)
    return tally


def _hidden_comes(full: Twin, plain: Twin, chance: Random, number: int) -> None:
    """What nobody here may see comes to the full twin. An hour later some of it has passed its retention."""
    if number == 0:
        full.apply(*FOR_OTHERS)
        # A source for everybody here, of which nothing can be seen: all it will hold is expired.
        full.apply(("source: hr-handbook", "source: dark"), ("max_deletes: 0.5", "max_deletes: 1.0"))
    full.restrict(number)
    soon = full.bench.clock() - timedelta(days=730) + timedelta(minutes=30)
    for count in range(4):
        full.put("hr-handbook", f"board/{number}-{count}.md", file_of(chance, (*SECRETS, *WORDS)))
        full.put("hr-handbook", f"old/{number}-{count}.md", replace(file_of(chance, (*SECRETS, *WORDS)), modified=soon))
        full.put("dark", f"{number}-{count}.md", replace(file_of(chance, (*SECRETS, *WORDS)), modified=soon))
        full.put("legal", f"{number}-{count}.md", file_of(chance, (*SECRETS, *WORDS)))
        access = Access(allow=frozenset({"group:lawyers"}), deny=frozenset())
        full.put("wiki", f"secret-{number}-{count}.md", replace(file_of(chance, SECRETS), access=access))
    full.put("hr-handbook", RESTRICTED[number], file_of(chance, (*SECRETS, *WORDS)))
    full.put("hr-handbook", f"broken/{number}.md", File(content=b"!encrypted\n"))
    full.sync()
    if chance.random() < 0.5:
        plain.sync()
    for twin in (full, plain):
        twin.bench.clock.forward(timedelta(hours=1))


def _hidden_goes(full: Twin, plain: Twin, chance: Random, number: int) -> None:
    """Some of it is deleted at its origin, purged because it has passed its retention, or erased on request."""
    files = full.origins["hr-handbook"].files
    board = [name for name in sorted(files) if name.startswith("board/")]
    for name in chance.sample(board, 2):
        del files[name]
    source = full.sources["hr-handbook"]
    for each in full.sources.values():
        erase.purge(full.bench.workshop, each, actor=ACTOR)
    erased = next(name for name in sorted(files) if name.startswith("board/"))
    request = ErasureRequest(
        documents=frozenset({full.bench.id(source, erased)}), reference=f"DSR-{number}", ground="unlawful_processing"
    )
    erase.erase(full.bench.workshop, source, request, actor=ACTOR)
    full.sync()
    if chance.random() < 0.5:
        erase.purge(plain.bench.workshop, plain.sources["hr-handbook"], actor=ACTOR)


def _ask(twins: Sequence[Twin], clients: Sequence[TestClient], chance: Random, tally: Tally) -> None:
    """One request to both, whose answers must be the same bytes."""
    person = chance.choices(tuple(PEOPLE), weights=(8, 3, 1, 1, 1))[0]
    words = [*chance.choices(WORDS, k=chance.randrange(1, 4)), *chance.choices(SECRETS, k=chance.randrange(3))]
    body: dict[str, object] = {
        "query": " ".join(words),
        "purpose": chance.choice((*(PURPOSE,) * 9, "marketing")),
        "k": chance.choice((1, 5, 10, 10, 50)),
    }
    if chance.random() < 0.5:
        body["sources"] = chance.choice(ASKED).split()
    lists, breaks = chance.random() < 0.05, chance.random() < 0.05
    answers: list[Response] = []
    for twin, client in zip(twins, clients, strict=True):
        twin.bench.stages.detector.broken = BROKEN if breaks else None
        headers = {"authorization": f"Bearer {twin.tokens[person]}"}
        if lists:
            answers.append(client.get("/v1/sources", headers=headers))
        else:
            answers.append(client.post("/v1/retrieve", headers=headers, json=body))
        twin.bench.stages.detector.broken = None
    one, other = ((answer.status_code, answer.headers.raw, answer.content) for answer in answers)
    route = answers[0].request.url.path
    tally.requests += 1
    tally.statuses[f"{route} {one[0]}"] += 1
    tally.with_passages += bool(answers[0].json().get("passages"))
    tally.calibrated += b'"calibration":"dddd' in one[2]
    if one != other:
        tally.different[f"{route}, {_difference(answers)}"] += 1
        if len(tally.examples) < SHOWN:
            tally.examples.append(f"{person} asked {body}: {answers[0].text[:300]} and {answers[1].text[:300]}")


def _difference(answers: Sequence[Response]) -> str:
    """Which parts of the answers differ."""
    one, other = (answer.json() for answer in answers)
    if answers[0].status_code != answers[1].status_code:
        return "status"
    keys = sorted(key for key in {*one, *other} if one.get(key) != other.get(key))
    return ", ".join(keys) or "headers"
