"""What was purged is gone: from every file, whatever dies meanwhile, and for good.

    python -m tests.evidence.purge --needles 1000

Documents with random needles in text, title, metadata, file name and vectors are taken in by a home of their own; a
third is due, a third is erased by request. Two scanners search every file, the product's and a plain one that shares
nothing with it, and both are proved on the home before. Then: the acts are killed at every few lines in process and by
SIGKILL at every step, and resumed; everything is synced again; a catalog from before is put back; the disk is full to
the last byte (a small file system of its own, which takes root); and the benchmark of a purge is run. Exits 0 only if
nothing was found that was to be gone, and everything that was to remain.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.evidence.purge import acts, forms
from tests.evidence.purge.planted import KINDS, Planted, fated, home, needles_of, plant, reopened

SMALL = 45
"""Needles of the home that is copied for every kill."""
LARGE = 6000
"""Needles of the home that is purged where its index does not fit beside the former one."""
ROOM_BYTES = range(128 * 2**10, 1024 * 2**10, 64 * 2**10)


def main() -> int:
    """Run the evidence. 0 where every bound holds."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--needles", type=int, default=1000)
    parser.add_argument("--stride", type=int, default=1, help="lines from one death to the next")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    chance = random.Random(arguments.seed)  # noqa: S311 - a repeatable run, not a secret
    with tempfile.TemporaryDirectory(prefix="penstock-purge-") as folder:
        place = Path(folder)
        rows: list[tuple[str, int, list[str]]] = [("every form of needle, in files of their own", *forms.proved(place))]
        planted = plant(arguments.needles, chance)
        rows += gone(place, planted)
        rows += killed(place, plant(SMALL, chance), stride=arguments.stride)
        outcomes, wrong = squeezed(place, plant(LARGE, chance)) if os.geteuid() == 0 else ([], ["skipped: needs root"])
        rows.append((f"purges on a full disk ({_counted(outcomes)})", len(outcomes), wrong))
    benchmark = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.purge"], capture_output=True, check=False, text=True
    )
    rows.append(("benchmark: 1 % of 10,000 passages in 5 s", 1, [benchmark.stdout] if benchmark.returncode else []))
    return _report(rows, arguments.seed, needles=sum(len(document.needles) for document in planted))


def gone(place: Path, planted: Sequence[Planted]) -> list[tuple[str, int, list[str]]]:
    """Purge and erase, then bring back what can be brought back. What was looked at, how much of it, what was wrong."""
    before, after, backup = place / "before", place / "after", place / "backup"
    with home(before, planted) as (bench, source):
        bench.database.checkpoint()
        bench.keyring.database.checkpoint()
    deleted, remaining = fated(planted, "due", "erased"), fated(planted, "kept")
    rows = [("needles sought where nothing was purged", len(needles_of(planted)), acts.not_found(before, planted))]
    backup.mkdir()
    (backup / "catalog.db").write_bytes((before / "catalog.db").read_bytes())
    acts.copy(before, after)
    with reopened(after, planted, first_id=1000) as (bench, source):
        acts.act(bench, source, planted)
        wrong = acts.problems(bench, source, planted) + acts.receipts_wrong(bench, source, planted)
    rows.append(("needles of deleted documents sought", len(needles_of(deleted)), wrong))
    rows.append(("needles of remaining documents sought", len(needles_of(remaining)), acts.not_found(after, remaining)))
    acts.copy(after, place / "restored")
    rows.append(
        (
            "documents sought behind a restored catalog",
            len(deleted),
            acts.restored(place / "restored", backup / "catalog.db", planted),
        )
    )
    with reopened(after, planted, first_id=3000) as (bench, source):
        rows.append(
            ("documents still at their origin, synced again", len(deleted), acts.resynced(bench, source, planted))
        )
    return rows


def killed(place: Path, planted: Sequence[Planted], *, stride: int) -> list[tuple[str, int, list[str]]]:
    """Die again and again, and resume."""
    before, work = place / "small", place / "work"
    with home(before, planted) as (bench, _):
        bench.database.checkpoint()
        bench.keyring.database.checkpoint()
    return [
        ("deaths at a line, resumed", *acts.killed_at_lines(before, work, planted, stride=stride)),
        ("kills by SIGKILL at a step, resumed", *acts.killed_for_real(before, work, planted)),
    ]


def squeezed(place: Path, planted: Sequence[Planted]) -> tuple[list[str], list[str]]:
    """Purge a few of many documents where there is hardly any room. What came of each try, and what was wrong."""
    few = [document for at, document in enumerate(planted) if document.fate == "kept" or at < len(KINDS)]
    with home(place / "large", few) as (bench, _):
        bench.database.checkpoint()
        bench.keyring.database.checkpoint()
    with acts.small_disk(place / "disk") as disk:
        outcome, wrong = acts.on_a_full_disk(place / "large", disk, few)
        outcomes = [outcome]
        for room_bytes in ROOM_BYTES:
            outcome, found = acts.with_little_room(place / "large", disk, few, room_bytes=room_bytes)
            outcomes.append(outcome)
            wrong += found
    if acts.DARK not in outcomes:
        wrong.append("a source whose index finds no room never went dark, so its purge did not complete")
    return outcomes, wrong


def _counted(outcomes: Sequence[str]) -> str:
    return ", ".join(f"{outcomes.count(outcome)} {outcome}" for outcome in sorted(set(outcomes))) or "none"


def _report(rows: Sequence[tuple[str, int, list[str]]], seed: int, *, needles: int) -> int:
    for what, number, wrong in rows:
        print(f"{what:64} {number:6} {'ok' if not wrong else f'{len(wrong)} wrong'}")
        for problem in sorted(set(wrong)):
            print(f"  {problem}")
    bounds = {what.partition(" (")[0]: not wrong and number > 0 for what, number, wrong in rows}
    print(json.dumps({"needles": needles, "seed": seed, "bounds": bounds}))
    return 0 if all(bounds.values()) else 1


if __name__ == "__main__":
    raise SystemExit(main())
