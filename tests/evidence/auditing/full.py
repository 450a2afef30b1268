"""A gateway over HTTP whose catalog lies on a disk with no room left."""

import itertools
import json
import logging
import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import timedelta
from http import HTTPStatus
from pathlib import Path

from fastapi import FastAPI
from starlette.testclient import TestClient

from gateway import keys
from gateway.app import create_app
from gateway.identity import Identity
from gateway.keys import KeyGrant
from gateway.lookup import Lookup
from gateway.retrieval import Retrieval
from gateway.tokens import Tokens
from indexer.custody import audited
from indexer.shelf import Shelf
from policies.errors import DependencyError
from tests.evidence.crashing.world import World, forked
from tests.gateway.fakes import UNUSED
from tests.indexer.workbench import Bench

DISK_BYTES = 8 * 2**20
PURPOSE = "employee-support"


@dataclass(frozen=True, kw_only=True)
class Asked:
    """How many requests there were, how many with an answer, how many of the refused were 503 without one; problems."""

    requests: int
    answered: int
    unavailable: int
    problems: Sequence[str]


def ask_on_a_full_disk(folder: Path, requests: int) -> tuple[Asked, ...]:
    """What became of requests before the disk was full, while it was, and after it was given room."""
    with small_disk(folder / "home") as disk:
        told, tell = os.pipe()
        # In a process of its own, because one that has indexes mapped keeps the file system in use.
        child = forked(lambda: os.write(tell, json.dumps(_asked(folder, disk, requests)).encode()))
        os.close(tell)
        with os.fdopen(told) as answer:
            found = answer.read()
        os.waitpid(child, 0)
    return tuple(Asked(**one) for one in json.loads(found or "[]"))


def _asked(folder: Path, disk: Path, requests: int) -> list[dict[str, object]]:
    # Every refusal is a line of the gateway's log, and here there are only refusals.
    logging.disable()
    world = World(root=folder)
    world.create()
    world.work()
    with world.opened() as bench, TestClient(_app(bench), raise_server_exceptions=False) as client:
        key = _key(bench)
        before = _ask(bench, client, key, 10)
        # The log is cut to nothing, so that there is no room in it either.
        bench.database.checkpoint()
        fill(disk)
        full = _ask(bench, client, key, requests)
        (disk / "ballast").unlink()
        after = _ask(bench, client, key, 10)
    return [asdict(one) for one in (before, full, after)]


@contextmanager
def small_disk(place: Path) -> Iterator[Path]:
    """A file system of its own, in memory. It takes root."""
    place.mkdir(mode=0o700, parents=True)
    size = f"size={DISK_BYTES},mode=0700"
    subprocess.run(["mount", "-t", "tmpfs", "-o", size, "tmpfs", str(place)], check=True)  # noqa: S607
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)  # noqa: S607


def fill(disk: Path) -> None:
    """Write until not a byte is left."""
    with (disk / "ballast").open("wb", buffering=0) as ballast:
        for size in (2**16, 2**12, 1):
            try:
                while ballast.write(b"\0" * size):
                    pass
            except OSError:
                continue


def _app(bench: Bench) -> FastAPI:
    stages = bench.stages
    retrieval = Retrieval(
        database=bench.database,
        lookup=Lookup(
            keyring=bench.keyring,
            shelf=Shelf(home=bench.home),
            redactor=stages.redactor,
            embedder=stages.embedder,
            node=bench.workshop.node,
        ),
        identity=Identity(reading=bench.database.reading, tokens=Tokens((), fetch=_no_fetch)),
        clock=bench.clock,
    )
    numbers = itertools.count(1)
    return create_app(
        retrieval, UNUSED, new_request_id=lambda: f"r{next(numbers)}", retrieve_threads=2, max_retrievals_waiting=8
    )


def _key(bench: Bench) -> str:
    grant = KeyGrant(
        subject="ann",
        groups=frozenset({"staff"}),
        purposes=frozenset({PURPOSE}),
        region="gb",
        roles=frozenset(),
        expires=bench.clock() + timedelta(days=1),
    )
    with bench.database.writing() as session:
        return keys.create(session, grant, now=bench.clock(), entropy=os.urandom(keys.ENTROPY_BYTES))[1]


def _ask(bench: Bench, client: TestClient, key: str, requests: int) -> Asked:
    """Ask for passages and for sources by turns, and look at every answer and at the audit."""
    headers = {"Authorization": f"Bearer {key}"}
    on_record = len(bench.audit())
    problems: list[str] = []
    answered = unavailable = 0
    for number in range(requests):
        if number % 2:
            response = client.get("/v1/sources", headers=headers)
        else:
            response = client.post(
                "/v1/retrieve", json={"query": "leave plan pay", "purpose": PURPOSE}, headers=headers
            )
        body = response.json()
        if response.status_code == HTTPStatus.OK:
            answered += 1
            problems += [] if body.get("passages") or body.get("sources") else ["an answer with nothing in it"]
        elif (response.status_code, body["code"]) == (HTTPStatus.SERVICE_UNAVAILABLE, "audit_unavailable"):
            unavailable += 1
            problems += ["a refusal with an answer in it"] if {"passages", "sources"} & body.keys() else []
        else:
            problems.append(f"status {response.status_code}, {body['code']}")
    if len(bench.audit()) - on_record != answered:
        problems.append("there are not as many records as answers")
    with bench.database.reading() as session:
        problems += [str(problem) for problem in audited(session, bench.keyring).problems]
    return Asked(requests=requests, answered=answered, unavailable=unavailable, problems=problems)


def _no_fetch(_: str) -> bytes:
    raise DependencyError("No issuer is configured.", mend="Use an API key.")
