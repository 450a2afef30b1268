"""A source is what its policy, its orders and its erasures say, after whatever may have happened to it.

    python -m tests.evidence.lifecycle --steps 200000 --worlds 2

Hypothesis thinks of histories: documents come, change and go at their origin; syncs and purges run and die; manifests
change; holds and restrictions are placed and end; documents are erased and erasures lifted; the clock goes on by days
and years and back by hours; processes restart; older catalogs are put back. After every step three callers search, and
what they find, the orders that stand and what these protect must be as a plain model has it. Exits 0 only if it always
was; else the shortest history that shows the difference is printed, with the seed.
"""

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from policies.errors import PenstockError
from tests.evidence.lifecycle import machine

HISTORIES_AT_ONCE = 20
STEPS_A_HISTORY = 100
MEMORY = Path("/dev/shm")  # noqa: S108 - homes that nobody will want again, where syncing a file costs nothing


def main() -> int:
    """Run the evidence. 0 where every bound holds."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--steps", type=int, default=200_000)
    parser.add_argument("--worlds", type=int, default=1, help="processes that live through histories at once")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    began = time.perf_counter()
    share = -(-arguments.steps // arguments.worlds)
    seeds = [arguments.seed + world * 10**6 for world in range(arguments.worlds)]
    with ProcessPoolExecutor(arguments.worlds) as pool:
        parts = list(pool.map(_histories, [share] * arguments.worlds, seeds))
    took_s = time.perf_counter() - began
    counts = sum((part[0] for part in parts), Counter[str]())
    wrong = [part[1] for part in parts if part[1]]
    steps = counts.total()
    print(f"{'step':24} {'times':>9}")
    for what, number in counts.most_common():
        print(f"{what:24} {number:9,}")
    print(f"{'together':24} {steps:9,} in {took_s:.0f} s, {steps / took_s:.0f} a second")
    for problem in wrong:
        print(problem)
    bounds = {"always_as_the_model": not wrong, "so_many_steps": steps >= arguments.steps}
    print(
        json.dumps(
            {"steps": steps, "steps_a_second": round(steps / took_s, 1), "seed": arguments.seed, "bounds": bounds}
        )
    )
    return 0 if all(bounds.values()) else 1


def _histories(steps: int, seed: int) -> tuple[Counter[str], str]:
    """Live through histories until there were so many steps. How often what happened, and what went wrong."""
    counts: Counter[str] = Counter()

    def count(what: str) -> None:
        counts[what] += 1
        if counts.total() % 1000 == 0:
            print(f"\r{counts.total():,} steps of {steps:,} from seed {seed}", end="", file=sys.stderr, flush=True)

    with tempfile.TemporaryDirectory(prefix="penstock-lifecycle-", dir=MEMORY if MEMORY.is_dir() else None) as folder:
        while counts.total() < steps:
            try:
                machine.run(Path(folder), histories=HISTORIES_AT_ONCE, steps=STEPS_A_HISTORY, seed=seed, counted=count)
            except (AssertionError, PenstockError) as error:
                return counts, "\n".join([f"seed {seed}: {error}", *getattr(error, "__notes__", [])])
            seed += 1
    return counts, ""


if __name__ == "__main__":
    raise SystemExit(main())
