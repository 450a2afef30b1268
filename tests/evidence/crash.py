"""Kill -9 at random moments and at every named step of sync, publish, delete and purge, while a reader asks questions.

After each kill another process goes on with what was left; then everything is compared: home, folder and index.

    python -m tests.evidence.crash --kills 1000 --real 30

Stand-in models make a kill cheap; `--real` more hit the console command with its real models, beside the real server.
Exits 0 only if nothing was lost, orphaned or unreadable after any kill, and the readers met nothing that was wrong.
"""

import argparse
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from indexer import build, catalog, durable, erase, joblog, keyring, listings, revisions, sync, take
from tests.evidence.crashing import real
from tests.evidence.crashing.world import World, forked, reading

STEPS: Sequence[tuple[object, str]] = (
    (sync._SyncRun, "prepare"),  # noqa: SLF001
    (sync._SyncRun, "_settle"),  # noqa: SLF001
    (sync._SyncRun, "do"),  # noqa: SLF001
    (sync._SyncRun, "finish"),  # noqa: SLF001
    (sync._SyncRun, "_remove_missing"),  # noqa: SLF001
    (joblog, "ask"),
    (joblog, "begin_listing"),
    (joblog, "list_documents"),
    (joblog, "end_listing"),
    (joblog, "record"),
    (joblog, "end"),
    (durable.Queues, "offer"),
    (take.Taker, "take"),
    (take, "ingest"),
    (keyring.Keyring, "new_document_key"),
    (keyring.Keyring, "destroy"),
    (keyring.Keyring, "entomb"),
    (keyring.Keyring, "anchor"),
    (catalog, "store"),
    (catalog, "remove"),
    (catalog, "publish"),
    (listings, "listed"),
    (revisions, "forget"),
    (revisions, "forget_removed"),
    (build, "_settle"),
    (build, "_contents"),
    (build, "_remove"),
    (build, "dump_inventory"),
    (erase, "_start"),
    (erase, "_tombstone"),
    (erase, "_carry_on"),
    (erase, "_finish"),
    (erase, "_move"),
    (erase, "sign"),
)
"""Where a process is killed, before and after: each function once for its first call, then for a random later one."""
PURGE_EVERY = 5
LONGEST_S = 0.6
MAX_RECOVERY_S = 2


def main() -> int:
    """Run the evidence. 0 where every bound holds."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--real", type=int, default=30)
    parser.add_argument("--worlds", type=int, default=1, help="homes that are worked on at once")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    shares = [len(range(world, arguments.kills, arguments.worlds)) for world in range(arguments.worlds)]
    with ProcessPoolExecutor(arguments.worlds) as pool:
        parts = list(pool.map(_kills, shares, range(arguments.seed, arguments.seed + arguments.worlds)))
    rows = [row for part in parts for row in part[0]]
    reads = sum(part[1] for part in parts)
    wrong = [problem for part in parts for problem in part[2]]
    chance = random.Random(arguments.seed)  # noqa: S311 - a repeatable run, not a secret
    real_rows, answers = real.kills(arguments.real, chance) if arguments.real else ([], 0)
    killed, really_killed = sum(row["killed"] for row in rows), sum(row.killed for row in real_rows)
    problems = [problem for row in rows for problem in row["problems"]]
    problems += [problem for row in real_rows for problem in row.problems]
    steps = {row["step"] for row in rows if row["killed"] and row["step"]}
    print(f"{'killed':32} {killed:6} of {len(rows)} processes; the others ended before their moment came")
    print(f"{'at named steps':32} {len(steps):6} of {2 * len(STEPS)} (before and after {len(STEPS)} functions)")
    recovery_s = sorted(row["recovery_s"] for row in rows)
    print(f"{'recovery, median and longest':32} {recovery_s[len(rows) // 2]:6.2f} s {recovery_s[-1]:.2f} s")
    if real_rows:
        real_s = sorted(row.recovery_s for row in real_rows if row.recovery_s)
        print(f"{'killed with real models':32} {really_killed:6}, answered over HTTP meanwhile: {answers}")
        print(f"{'the next sync, median, longest':32} {real_s[len(real_s) // 2]:6.2f} s {real_s[-1]:.2f} s")
    print(f"{'problems after recovery':32} {len(problems):6}")
    print(f"{'questions asked meanwhile':32} {reads:6}")
    print(f"{'of which went wrong':32} {len(wrong):6}")
    for problem in sorted({*problems, *wrong}):
        print(f"  {problem}")
    bounds = {
        "nothing_wrong_after_recovery": not problems,
        "the_reader_met_nothing_wrong": not wrong and reads > 0,
        "so_many_were_killed": (killed, really_killed) == (arguments.kills, arguments.real),
        "recovered_in_two_seconds": recovery_s[len(rows) // 2] < MAX_RECOVERY_S,
    }
    print(
        json.dumps(
            {
                "kills": killed,
                "real_kills": really_killed,
                "recovery_s": recovery_s[len(rows) // 2],
                "steps": len(steps),
                "problems": len(problems),
                "reads": reads,
                "wrong_reads": len(wrong),
                "seed": arguments.seed,
                "bounds": bounds,
            }
        )
    )
    return 0 if all(bounds.values()) else 1


def _kills(kills: int, seed: int) -> tuple[list[dict[str, Any]], int, list[str]]:
    """Kill so many processes at work on one home. What came of each, and what its reader met."""
    chance = random.Random(seed)  # noqa: S311 - a repeatable run, not a secret
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="penstock-crash-") as folder:
        world = World(root=Path(folder))
        world.create()
        world.work()
        with reading(world) as reader:
            while sum(row["killed"] for row in rows) < kills and len(rows) < 3 * kills:
                rows.append(_killed(world, chance, len(rows)))
                print(f"\r{len(rows)} processes", end="", file=sys.stderr, flush=True)
            reads, wrong = reader()
    return rows, reads, wrong


def _killed(world: World, chance: random.Random, number: int) -> dict[str, Any]:
    """Kill one process at work, let another finish, and compare."""
    world.change(chance)
    if number % PURGE_EVERY == 0:
        world.age_some(chance)
    step = chance.choice(STEPS) if chance.random() < 0.5 else None
    before = chance.random() < 0.5
    nth = 0 if chance.random() < 0.5 else chance.randrange(CALLS)
    moment_s = chance.uniform(0, LONGEST_S)

    def work() -> None:
        if step is not None:
            _arm(*step, before=before, nth=nth)
        world.work()

    child = forked(work)
    if step is None:
        time.sleep(moment_s)
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    began = time.monotonic()
    told, tell = os.pipe()
    os.set_inheritable(tell, True)

    def recover() -> None:
        os.write(tell, json.dumps(world.problems()).encode())

    other = forked(recover)
    os.close(tell)
    with os.fdopen(told) as answer:
        found = answer.read()
    _, ended = os.waitpid(other, 0)
    problems = json.loads(found) if ended == 0 and found else ["the process that recovers failed"]
    name = f"{'before' if before else 'after'} {step[1]}" if step else ""
    return {
        "killed": os.WIFSIGNALED(status),
        "step": name,
        "problems": [f"{problem} (kill {number}, {name or f'{moment_s:.3f} s'})" for problem in problems],
        "recovery_s": time.monotonic() - began,
    }


CALLS = 12


def _arm(place: object, name: str, *, before: bool, nth: int) -> None:
    """Have this process kill itself before, or after, the `nth` call of a function."""
    original: Callable[..., Any] = getattr(place, name)
    calls = iter(range(10**9))

    def deadly(*arguments: Any, **named: Any) -> Any:  # noqa: ANN401 - it stands for any function
        due = next(calls) == nth
        if due and before:
            os.kill(os.getpid(), signal.SIGKILL)
        result = original(*arguments, **named)
        if due:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(place, name, deadly)


if __name__ == "__main__":
    raise SystemExit(main())
