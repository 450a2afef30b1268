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
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.evidence.crashing.world import World, forked, reading

DISK_BYTES = 24 * 2**20
FREE_BYTES = (0, 3 * 2**20)
"""Between which the room lies that is left on the disk."""
FAULTS = "enable_random name=posix/io/rw/*,probability={probability}"
PROBABILITIES = (0.0005, 0.002, 0.01)
READ_S = 0.2
"""How long questions are asked on a full disk after the work gave up."""


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
        # It was there before the disk was full: SQLite needs a little room for whoever opens a database anew.
        with reading(world) as reader:
            for number in range(arguments.runs):
                world.change(chance)
                if number % 5 == 0:
                    world.age_some(chance)
                faulty = _full_disk if number % 2 == 0 or not shutil.which("fiu-run") else _failing_calls
                rows.append(faulty(world, disk, chance))
                print(f"\r{len(rows)} runs", end="", file=sys.stderr, flush=True)
            reads, wrong = reader()
    return _report(rows, reads, wrong, arguments.seed)


def _full_disk(world: World, disk: Path, chance: random.Random) -> Outcome:
    free = chance.randrange(*FREE_BYTES)
    ballast = disk / "ballast"
    room = shutil.disk_usage(disk).free
    ballast.write_bytes(b"\0" * max(0, room - free))
    status = os.waitpid(forked(world.work, silent=True), 0)[1]
    time.sleep(READ_S)
    ballast.unlink()
    return Outcome(fault="full disk", failed=status != 0, problems=_recovered(world))


def _failing_calls(world: World, _: Path, chance: random.Random) -> Outcome:
    fault = FAULTS.format(probability=chance.choice(PROBABILITIES))
    command = ["fiu-run", "-x", "-c", fault, sys.executable, "-m", __spec__.name, "--work", str(world.root)]
    ended = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    return Outcome(
        fault="failing reads and writes",
        failed=ended.returncode != 0,
        problems=_recovered(world),
    )


def _recovered(world: World) -> list[str]:
    """What is wrong when a process of its own went on with what was left."""
    told, tell = os.pipe()
    child = forked(lambda: os.write(tell, json.dumps(world.problems()).encode()))
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


def _report(rows: Sequence[Outcome], reads: int, wrong: Sequence[str], seed: int) -> int:
    print(f"{'fault':28} {'runs':>6} {'work failed':>12} {'problems after':>15}")
    for fault in sorted({row.fault for row in rows}):
        of_kind = [row for row in rows if row.fault == fault]
        problems_found = sum(len(row.problems) for row in of_kind)
        print(f"{fault:28} {len(of_kind):6} {sum(row.failed for row in of_kind):12} {problems_found:15}")
    problems = [problem for row in rows for problem in row.problems]
    print(f"{reads} questions asked meanwhile, of which {len(wrong)} went wrong")
    for problem in sorted({*problems, *wrong}):
        print(f"  {problem}")
    if not shutil.which("fiu-run"):
        print("No fiu-run here (apt install fiu-utils): failing reads and writes were not tried.")
    bounds = {
        "nothing_wrong": not problems,
        "the_reader_met_nothing_wrong": not wrong and reads > 0,
        "faults_were_felt": any(row.failed for row in rows),
    }
    counts = {"runs": len(rows), "failed": sum(row.failed for row in rows), "problems": len(problems)}
    print(json.dumps({**counts, "reads": reads, "wrong_reads": len(wrong), "seed": seed, "bounds": bounds}))
    return 0 if all(bounds.values()) else 1


if __name__ == "__main__":
    raise SystemExit(main())
