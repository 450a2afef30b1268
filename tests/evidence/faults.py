"""A full disk and failing reads and writes under sync, publish and purge, while the former index goes on serving.

    python -m tests.evidence.faults --runs 100

The home lies on a small file system of its own (a tmpfs, which needs root), filled up to another byte in each run; then
system calls for reading and writing fail at random (libfiu's `fiu-run`). After each run the disk is given room, or the
faults end, and another process goes on without being told anything. Exits 0 only if nothing was lost or damaged.
"""

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.evidence.crashing.world import World, forked, read

DISK_BYTES = 24 * 2**20
FREE_BYTES = (0, 3 * 2**20)
"""Between which the room lies that is left on the disk."""
FAULTS = "enable_random name=posix/io/rw/*,probability={probability}"
PROBABILITIES = (0.0005, 0.002, 0.01)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of one run: whether the work failed, and what was wrong afterwards."""

    fault: str
    failed: bool
    problems: Sequence[str]


def main() -> int:
    """Run the evidence. 0 where every bound holds."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--work", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.work:
        World(root=arguments.work).work()
        return 0
    chance = random.Random(arguments.seed)  # noqa: S311 - a repeatable run, not a secret
    rows: list[Outcome] = []
    with tempfile.TemporaryDirectory(prefix="penstock-faults-") as folder, _small_disk(Path(folder) / "home") as disk:
        world = World(root=Path(folder))
        world.create()
        world.work()
        for number in range(arguments.runs):
            world.change(chance)
            if number % 5 == 0:
                world.age_some(chance)
            faulty = _full_disk if number % 2 == 0 or not shutil.which("fiu-run") else _failing_calls
            rows.append(faulty(world, disk, chance))
    return _report(rows, arguments.seed)


def _full_disk(world: World, disk: Path, chance: random.Random) -> Outcome:
    free = chance.randrange(*FREE_BYTES)
    ballast = disk / "ballast"
    room = shutil.disk_usage(disk).free
    ballast.write_bytes(b"\0" * max(0, room - free))
    status = os.waitpid(forked(world.work, silent=True), 0)[1]
    served = _serving(world)
    ballast.unlink()
    return Outcome(fault="full disk", failed=status != 0, problems=[*served, *_recovered(world)])


def _failing_calls(world: World, _: Path, chance: random.Random) -> Outcome:
    fault = FAULTS.format(probability=chance.choice(PROBABILITIES))
    command = ["fiu-run", "-x", "-c", fault, sys.executable, "-m", __spec__.name, "--work", str(world.root)]
    ended = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    return Outcome(
        fault="failing reads and writes",
        failed=ended.returncode != 0,
        problems=[*_serving(world), *_recovered(world)],
    )


def _serving(world: World) -> list[str]:
    """What is wrong with the index that serves while the disk is still full."""

    def once() -> list[str]:
        asked = iter([False, True])
        return read(world, lambda: next(asked))[1]

    return _told(once)


def _recovered(world: World) -> list[str]:
    return _told(world.problems)


def _told(ask: Callable[[], list[str]]) -> list[str]:
    """What a process of its own answers."""
    told, tell = os.pipe()
    child = forked(lambda: os.write(tell, json.dumps(ask()).encode()))
    os.close(tell)
    with os.fdopen(told) as answer:
        found = answer.read()
    os.waitpid(child, 0)
    answered: list[str] = json.loads(found) if found else ["the process that looks failed"]
    return answered


@contextmanager
def _small_disk(place: Path) -> Iterator[Path]:
    place.mkdir(mode=0o700)
    size = f"size={DISK_BYTES},mode=0700"
    subprocess.run(["mount", "-t", "tmpfs", "-o", size, "tmpfs", str(place)], check=True)  # noqa: S607
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)  # noqa: S607


def _report(rows: Sequence[Outcome], seed: int) -> int:
    print(f"{'fault':28} {'runs':>6} {'work failed':>12} {'problems after':>15}")
    for fault in sorted({row.fault for row in rows}):
        of_kind = [row for row in rows if row.fault == fault]
        wrong = sum(len(row.problems) for row in of_kind)
        print(f"{fault:28} {len(of_kind):6} {sum(row.failed for row in of_kind):12} {wrong:15}")
    problems = [problem for row in rows for problem in row.problems]
    for problem in sorted(set(problems)):
        print(f"  {problem}")
    if not shutil.which("fiu-run"):
        print("No fiu-run here (apt install fiu-utils): failing reads and writes were not tried.")
    bounds = {"nothing_wrong": not problems, "faults_were_felt": any(row.failed for row in rows)}
    failed = sum(row.failed for row in rows)
    print(json.dumps({"runs": len(rows), "failed": failed, "problems": len(problems), "seed": seed, "bounds": bounds}))
    return 0 if all(bounds.values()) else 1


if __name__ == "__main__":
    raise SystemExit(main())
