"""Jobs: left to a worker, over HTTP, stopped on the way, gone on with."""

import json
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.client import HTTPConnection
from typing import Any

from tests.journeys.penstock import Penstock, Server
from tests.journeys.samples import LEAVE

FINDINGS, REFUSED = 1, 2
PATIENCE_S = 120
MANY = {f"many/{number:02}.md": LEAVE.replace("five", str(number)) for number in range(60)}


@contextmanager
def working(penstock: Penstock) -> Iterator[subprocess.Popen[str]]:
    """A worker that is at work, and is stopped with the block."""
    with penstock.process("worker") as worker:
        assert worker.stderr is not None
        assert worker.stderr.readline() == "Working (Ctrl-C stops it).\n"
        yield worker


def job(penstock: Penstock, job_id: str) -> Any:  # noqa: ANN401 - the tests know what a command prints
    return penstock.must("jobs", "show", job_id, "--json").json()


def eventually(penstock: Penstock, job_id: str, state: str, *, done: int = 0) -> Any:  # noqa: ANN401 - as above
    """The job, once it is in this state and so many documents are behind it."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        found = job(penstock, job_id)
        if found["state"] == state and found["done"] >= done:
            return found
        assert time.monotonic() < deadline, found
        time.sleep(0.2)


def request(
    server: Server, method: str, path: str, key: str, *, idempotency: str | None = None
) -> tuple[int, str | None, bytes]:
    """Status, Location and body of what an operator asks."""
    connection = HTTPConnection("127.0.0.1", server.port, timeout=60)
    try:
        headers = {"Authorization": f"Bearer {key}"} | ({"Idempotency-Key": idempotency} if idempotency else {})
        connection.request(method, path, headers=headers)
        response = connection.getresponse()
        return response.status, response.getheader("location"), response.read()
    finally:
        connection.close()


def test_a_sync_asked_for_over_http_is_run_by_a_worker_and_once(penstock: Penstock) -> None:
    made = penstock.must(
        "key", "create", "--subject", "olga", "--role", "operator", "--purpose", "operating", "--region", "gb"
    )
    key, reader = made.out.strip(), penstock.key("staff")
    penstock.write({"bicycles.md": "# Bicycles\n\nBicycles stand in the shed by the gate.\n"})
    with penstock.serving() as server:
        assert request(server, "POST", "/v1/sources/notes/sync", reader, idempotency='"a"')[0] == HTTPStatus.FORBIDDEN
        assert request(server, "POST", "/v1/sources/notes/sync", key)[0] == HTTPStatus.BAD_REQUEST
        status, location, body = request(server, "POST", "/v1/sources/notes/sync", key, idempotency='"a"')
        assert (status, location) == (HTTPStatus.ACCEPTED, f"/v1/jobs/{json.loads(body)['id']}")
        assert location is not None
        with working(penstock):
            deadline = time.monotonic() + PATIENCE_S
            while (told := json.loads(request(server, "GET", location, key)[2]))["state"] != "finished":
                assert time.monotonic() < deadline, told
                time.sleep(0.2)
        assert told["counts"]["indexed"] == 1
        assert request(server, "POST", "/v1/sources/notes/sync", key, idempotency='"a"') == (status, location, body)
        assert [one["id"] for one in json.loads(request(server, "GET", "/v1/jobs?limit=1", key)[2])["jobs"]] == [
            told["id"]
        ]
    assert penstock.status()["indexed"] == 5
    (record,) = penstock.must("audit", "show", "--action", "job.asked", "--limit", "1", "--json").json()
    assert record["actor"] == "caller:olga"


def test_a_worker_told_to_stop_leaves_a_job_that_the_next_command_ends(penstock: Penstock) -> None:
    penstock.write(MANY)
    (asked,) = penstock.must("sync", "notes", "--queue", "--json").json()
    with working(penstock) as worker:
        eventually(penstock, asked["job"], "running", done=1)
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(60) == 0
        assert worker.stderr is not None
        assert worker.stderr.read() == "Stopping behind the present document.\nStopped.\n"
    left = job(penstock, asked["job"])
    assert left["state"] in {"queued", "running"}
    assert 1 <= left["done"] < len(MANY)
    (ended,) = penstock.must("sync", "notes", "--json").json()
    assert (ended["job"], ended["state"]) == (asked["job"], "finished")
    assert ended["indexed"] == len(MANY)
    assert penstock.run("verify").code == 0


def test_a_sync_that_was_killed_is_gone_on_with(penstock: Penstock) -> None:
    penstock.write(MANY)
    with penstock.process("sync", "notes") as sync:
        assert sync.stderr is not None
        assert sync.stderr.readline().startswith("notes: ")
        sync.kill()
        sync.wait(60)
    (listed, *_) = penstock.must("jobs", "notes", "--json").json()
    assert (listed["state"], listed["total"]) == ("running", len(MANY) + 4)
    (ended,) = penstock.must("sync", "notes", "--json").json()
    assert (ended["job"], ended["state"], ended["indexed"]) == (listed["job"], "finished", len(MANY))
    assert penstock.run("verify").code == 0


def test_a_held_sync_waits_to_be_confirmed(penstock: Penstock) -> None:
    for name in ("canteen.md", "parking.md"):
        (penstock.documents / name).unlink()
    done = penstock.run("sync", "notes")
    assert done.code == REFUSED
    held, *rest = done.err.splitlines()[-4:]
    assert held.startswith("notes: held: 2 of 4 documents of 'notes' are gone from the origin, more than the 20%")
    assert rest == [
        "  canteen.md",
        "  parking.md",
        "If that is right, run: penstock sync notes --confirm",
    ]
    (listed, *_) = penstock.must("jobs", "--json").json()
    shown = job(penstock, listed["job"])
    assert [removal["origin_id"] for removal in shown["would_remove"]] in (
        ["canteen.md", "parking.md"], ["parking.md", "canteen.md"],
    )  # fmt: skip
    assert penstock.status()["last_sync"]["state"] == "held"
    assert penstock.status()["indexed"] == 4
    (confirmed,) = penstock.must("sync", "notes", "--confirm", "--json").json()
    assert (confirmed["state"], confirmed["removed"]) == ("finished", 2)


def test_the_doctor_sees_whether_a_worker_lives(penstock: Penstock) -> None:
    manifest = penstock.manifest.read_text("utf-8")
    penstock.manifest.write_text(manifest + 'schedule: {sync: "0 3 1 1 *"}\n', "utf-8")
    penstock.must("apply", penstock.manifest, "--yes")
    done = penstock.run("doctor", "--json")
    wrong = [look for look in done.json() if not look["ok"]]
    assert (done.code, [look["what"] for look in wrong]) == (FINDINGS, ["workers"])
    assert wrong[0]["mend"] == "Run: penstock worker"
    with working(penstock):
        looks = {look["what"]: look["detail"] for look in penstock.must("doctor", "--json").json()}
    assert looks["workers"] == "1 alive"


def test_the_quarantine_is_looked_at_again_when_it_was_mended(penstock: Penstock) -> None:
    penstock.write({"empty.md": b"", "huge.md": LEAVE * 4000})
    penstock.must("sync", "notes")
    listed = penstock.must("quarantine", "list", "notes", "--json").json()
    assert {row["origin_id"]: row["reason"] for row in listed} == {"empty.md": "empty", "huge.md": "too_large"}
    penstock.must("quarantine", "drop", "notes", "empty.md", "--yes")
    penstock.manifest.write_text(penstock.manifest.read_text("utf-8").replace("200000", "2000000"), "utf-8")
    penstock.must("apply", penstock.manifest, "--yes")
    done = penstock.must("quarantine", "retry", "notes", "huge.md")
    assert "1 of 1 documents are out of the quarantine" in done.err
    (left,) = penstock.must("quarantine", "list", "--json").json()
    assert (left["reason"], left["origin_id"]) == ("dropped", "")


def test_work_on_a_source_that_takes_its_readers_from_its_manifest_mirrors_nothing(penstock: Penstock) -> None:
    done = penstock.run("permissions", "notes")
    assert done.code == REFUSED
    assert "is said by its manifest" in done.err
    rebuilt = penstock.must("rebuild", "notes", "--json").json()
    assert [one["state"] for one in rebuilt] == ["finished"]
