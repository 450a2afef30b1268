"""Everything that can be done to an audit is found, and where it cannot be written nothing is answered.

    python -m tests.evidence.audit --edits 100000

Flips every bit of a small chain, of its export and of its rows as SQLite stores them, and does so many random edits,
cuts, forks and truncations to both; the check of the home and that of the export must find each. Then fills the disk
under a gateway (a tmpfs, which needs root) and asks it: every request must be refused. Exits 0 only if all that holds.
"""

import argparse
import json
import os
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.evidence.auditing import full, tampering
from tests.evidence.auditing.chains import Chain, chain_holds, export_holds, make, stored_records

REQUESTS = 400


@dataclass(frozen=True, kw_only=True)
class Tried:
    """How often one thing was done, how often that went unfound, and how often it left every record as written."""

    what: str
    tried: int
    missed: int
    same: int = 0


def main() -> int:
    """Run the evidence. 0 where every bound holds."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--edits", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="penstock-audit-") as folder:
        chain = make(Path(folder))
        honest = _is_not_accused(chain)
        _say("flipping every bit of the export")
        flips = [export_flips(chain)]
        _say("flipping every bit of the rows")
        flips.append(row_flips(chain))
        _say("tampering")
        edits = list(random_tampering(chain, arguments.edits, arguments.seed))
        asked = full.ask_on_a_full_disk(Path(folder) / "full", REQUESTS) if os.geteuid() == 0 else None
    return _report(chain, flips, edits, asked, honest=honest, seed=arguments.seed)


def export_flips(chain: Chain, *, step: int = 1) -> Tried:
    """Flip every bit of every `step`-th byte of the export."""
    missed = tried = 0
    for _, raw in tampering.flipped(chain.export, range(0, len(chain.export), step)):
        missed += export_holds(raw)
        tried += 1
    return Tried(what="bits of the export", tried=tried, missed=missed)


def row_flips(chain: Chain, *, step: int = 1) -> Tried:
    """Flip every bit of every `step`-th byte of the rows in the SQLite file. A few bits of SQLite's mean nothing."""
    missed = same = tried = 0
    for _, raw in tampering.flipped(chain.database, tampering.row_bytes(chain.database)[::step]):
        records = stored_records(raw, chain.head)
        tried += 1
        if records is not None:
            unchanged = records == chain.records
            same += unchanged
            missed += not unchanged
    return Tried(what="bits of the rows in SQLite", tried=tried, missed=missed, same=same)


def random_tampering(chain: Chain, edits: int, seed: int) -> Iterator[Tried]:
    """So many random things done to the records and to the export, by turns."""
    chance = random.Random(seed)  # noqa: S311 - a repeatable run, not a secret
    tried: Counter[str] = Counter()
    missed: Counter[str] = Counter()
    for number in range(edits):
        if number % 2:
            what, records = tampering.tampered(chain, chance)
            holds = chain_holds(records, chain.head)
        else:
            what, raw = tampering.tampered_export(chain, chance)
            holds = export_holds(raw)
        tried[what] += 1
        missed[what] += holds
    for what in sorted(tried):
        yield Tried(what=what, tried=tried[what], missed=missed[what])


def _is_not_accused(chain: Chain) -> bool:
    """A check that finds fault with everything would find all there is."""
    return (
        export_holds(chain.export)
        and chain_holds(chain.records, chain.head)
        and stored_records(chain.database, chain.head) == chain.records
    )


def _report(
    chain: Chain,
    flips: list[Tried],
    edits: list[Tried],
    asked: Sequence[full.Asked] | None,
    *,
    honest: bool,
    seed: int,
) -> int:
    done = f"done to a chain of {len(chain.records)} records"
    print(f"{done:42} {'times':>8} {'not found':>10} {'as written':>11}")
    for row in (*flips, *edits):
        print(f"{row.what:42} {row.tried:8} {row.missed:10} {row.same:11}")
    if asked is None:
        print("Skipped: a full disk takes a file system of its own, which only root can mount.")
    else:
        for when, one in zip(("before the disk was full", "on the full disk", "with room again"), asked, strict=False):
            print(f"{when:42} {one.requests:8} requests, {one.answered} answered, {one.unavailable} refused as 503")
            for problem in sorted(set(one.problems)):
                print(f"  {problem}")
    bounds = {
        "what_is_whole_is_not_accused": honest,
        "every_flipped_bit_is_found": not any(row.missed for row in flips),
        "all_tampering_is_found": not any(row.missed for row in edits),
        "on_a_full_disk_all_is_refused": asked is not None and _is_refused(asked),
    }
    print(
        json.dumps(
            {
                "chain_bytes": len(chain.export),
                "flips": [asdict(row) for row in flips],
                "edits": sum(row.tried for row in edits),
                "missed": sum(row.missed for row in edits),
                "full_disk": [asdict(one) for one in asked or ()],
                "seed": seed,
                "bounds": bounds,
            }
        )
    )
    return 0 if all(bounds.values()) else 1


def _is_refused(asked: Sequence[full.Asked]) -> bool:
    if len(asked) != 3 or any(one.problems for one in asked):
        return False
    before, on_full, after = asked
    return (before.answered, on_full.unavailable, after.answered) == (before.requests, on_full.requests, after.requests)


def _say(what: str) -> None:
    print(what, file=sys.stderr, flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
