"""Real files, damaged files and bombs through the real parser: what is read, what is refused, and what it costs.

    python -m tests.evidence.formats DIR [DIR ...] [--damaged 300] [--seed 1]

Every file below each DIR is parsed as a sync would parse it, and so is every file that comes attached to another. Then
as many of them as `--damaged` says are parsed again with some of their bytes changed, and then come the bombs of
tests/bombs. Bounds: every file is read, or refused for a reason, within a minute; no child is ever beyond 1 GiB of
resident memory; a bomb ends as it should within 10 seconds of processor time; and after each the next document is read.
"""

import argparse
import json
import random
import resource
import statistics
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path, PurePosixPath

from indexer.formats.elements import FORMATS, Part
from indexer.ocr import available, reader
from indexer.parse import parser
from indexer.sandbox import Sandbox
from indexer.take import MAX_PART_DEPTH
from tests.attempts import READ, Attempt, attempt, reads_on
from tests.bombs import BOMBS, MAX_CPU_S, Bomb

MAX_WALL_S = 60.0
MAX_RSS_BYTES = 2**30
MAX_DAMAGED_BYTES = 2 * 2**20  # of files that are damaged: the damage counts, and not the size
EXTREMES = 8


@dataclass(frozen=True, kw_only=True)
class Tried:
    """A file and what became of it, without its text. `name` says in which other files it lay."""

    name: str
    format: str
    size_bytes: int
    parts: int
    characters: int
    made: Attempt


@dataclass(frozen=True, kw_only=True)
class Figures:
    """Of some files. Times are wall clock, but for the child's `max_cpu_s`; `refused` counts by reason."""

    files: int
    read: int
    refused: Mapping[str, int]
    parts: int
    characters: int
    median_s: float
    max_s: float
    max_cpu_s: float
    max_rss_bytes: int
    replaced: int


def main() -> int:
    """Try everything; 0 where every bound holds."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("folders", type=Path, nargs="+", metavar="DIR")
    arguments.add_argument("--damaged", type=int, default=300)
    arguments.add_argument("--seed", type=int, default=1)
    given = arguments.parse_args()
    paths = [path for folder in given.folders for path in sorted(folder.rglob("*")) if path.is_file()]
    with ExitStack() as open_:
        box = open_.enter_context(parser())
        ocr = open_.enter_context(reader()) if available() else None
        if not reads_on(box):
            raise SystemExit("not even an ordinary document is read")
        real = [tried for path in paths for tried in _whole(box, ocr, path)]
        _table("Real files, and what is attached to them", real)
        _extremes(real)
        damaged = list(_damaged(box, ocr, paths, given.damaged, random.Random(given.seed)))  # noqa: S311 - to be repeated
        _table(f"Files with changed bytes (seed {given.seed})", damaged)
        known = [bomb for bomb in BOMBS if bomb.format in {*FORMATS, "zip"}]
        bombs = {bomb: _try(box, ocr, bomb.file, bomb.content())[0] for bomb in known}
    _bomb_table(bombs)
    return _report(real, damaged, bombs)


def _whole(box: Sandbox, ocr: Sandbox | None, path: Path) -> Iterator[Tried]:
    """The file and all that is attached to it."""
    pending = [(path.name, path.read_bytes(), 0)]
    while pending:
        name, content, depth = pending.pop()
        tried, parts = _try(box, ocr, name, content)
        yield tried
        if depth < MAX_PART_DEPTH:
            pending += [(f"{name} > {part.name}", part.content, depth + 1) for part in parts]


def _try(box: Sandbox, ocr: Sandbox | None, name: str, content: bytes) -> tuple[Tried, Sequence[Part]]:
    made = attempt(box, content, name.rpartition(" > ")[2], ocr=ocr)
    if not reads_on(box):
        raise SystemExit(f"nothing is read after {name!r}")
    suffix = PurePosixPath(name).suffix.lstrip(".").lower()
    tried = Tried(
        name=name,
        format=made.kind or (suffix if suffix in FORMATS else "other"),
        size_bytes=len(content),
        parts=len(made.parts),
        characters=len(made.said) if made.outcome == READ else 0,
        made=replace(made, said="", parts=()),
    )
    return tried, made.parts


def _damaged(
    box: Sandbox, ocr: Sandbox | None, paths: Sequence[Path], count: int, chance: random.Random
) -> Iterator[Tried]:
    """Files with some of their bytes changed, each format as often as any other."""
    by_suffix: defaultdict[str, list[Path]] = defaultdict(list)
    for path in paths:
        if 0 < path.stat().st_size <= MAX_DAMAGED_BYTES:
            by_suffix[path.suffix.lower()].append(path)
    for _ in range(count if by_suffix else 0):
        path = chance.choice(by_suffix[chance.choice(sorted(by_suffix))])
        yield _try(box, ocr, path.name, _damage(path.read_bytes(), chance))[0]


def _damage(content: bytes, chance: random.Random) -> bytes:
    """Bytes flipped, a piece cut out, doubled or zeroed, or the end cut off."""
    damaged = bytearray(content)
    begin, end = sorted(chance.choices(range(len(damaged) + 1), k=2))
    match chance.randrange(5):
        case 0:
            for at in chance.choices(range(len(damaged)), k=chance.randint(1, 20)):
                damaged[at] ^= chance.randint(1, 255)
        case 1:
            del damaged[begin:end]
        case 2:
            damaged[begin:begin] = damaged[begin:end]
        case 3:
            damaged[begin:end] = bytes(end - begin)
        case _:
            del damaged[begin:]
    return bytes(damaged)


def _table(title: str, tried: Sequence[Tried]) -> None:
    by_format: defaultdict[str, list[Tried]] = defaultdict(list)
    for one in tried:
        by_format[one.format].append(one)
    print(f"\n{title}\n")
    print(
        f"{'format':8} {'files':>5} {'read':>5} {'parts':>5} {'Mchars':>7} {'p50 s':>6} {'max s':>6} {'max CPU s':>9} "
        f"{'max MiB':>7} {'replaced':>8}  refused"
    )
    rows = [(format_, _figures(ones)) for format_, ones in by_format.items()]
    for format_, row in [*sorted(rows, key=lambda item: -item[1].files), ("all", _figures(tried))]:
        print(
            f"{format_:8} {row.files:5} {row.read:5} {row.parts:5} {row.characters / 1e6:7.2f} {row.median_s:6.2f} "
            f"{row.max_s:6.2f} {row.max_cpu_s:9.2f} {row.max_rss_bytes / 2**20:7.0f} {row.replaced:8}  "
            + " ".join(f"{reason} {number}" for reason, number in row.refused.items())
        )


def _figures(tried: Sequence[Tried]) -> Figures:
    made = [one.made for one in tried]
    return Figures(
        files=len(made),
        read=sum(one.outcome == READ for one in made),
        refused=dict(Counter(sorted(one.outcome for one in made if one.outcome != READ))),
        parts=sum(one.parts for one in tried),
        characters=sum(one.characters for one in tried),
        median_s=statistics.median(one.wall_s for one in made) if made else 0.0,
        max_s=max((one.wall_s for one in made), default=0.0),
        max_cpu_s=max((one.cpu_s for one in made), default=0.0),
        max_rss_bytes=max((one.peak_rss_bytes for one in made), default=0),
        replaced=sum(one.replaced for one in made),
    )


def _extremes(tried: Sequence[Tried]) -> None:
    print(f"\nThe slowest and the largest in memory\n\n{'MB':>7} {'s':>6} {'CPU s':>6} {'MiB':>5} outcome       file")
    slowest = sorted(tried, key=lambda one: -one.made.cpu_s)[:EXTREMES]
    for one in [*slowest, *sorted(tried, key=lambda one: -one.made.peak_rss_bytes)[:EXTREMES]]:
        print(
            f"{one.size_bytes / 1e6:7.2f} {one.made.wall_s:6.2f} {one.made.cpu_s:6.2f} "
            f"{one.made.peak_rss_bytes / 2**20:5.0f} {one.made.outcome:13} {one.name}"
        )


def _bomb_table(bombs: Mapping[Bomb, Tried]) -> None:
    print(f"\nBombs\n\n{'file':8} {'MB':>6} {'s':>6} {'CPU s':>6} {'MiB':>5} {'outcome':13} bomb")
    for bomb, one in bombs.items():
        made = one.made
        amiss = "" if bomb.ends_well(made.outcome) else f" (should be: {bomb.outcome})"
        print(
            f"{bomb.file:8} {one.size_bytes / 1e6:6.2f} {made.wall_s:6.2f} {made.cpu_s:6.2f} "
            f"{made.peak_rss_bytes / 2**20:5.0f} {made.outcome:13} {bomb.name}{amiss}"
        )


def _report(real: Sequence[Tried], damaged: Sequence[Tried], bombs: Mapping[Bomb, Tried]) -> int:
    everything = _figures([*real, *damaged, *bombs.values()])
    bounds = {
        "real_files_were_found": bool(real),
        "no_child_beyond_1_gib": everything.max_rss_bytes <= MAX_RSS_BYTES,
        "no_file_beyond_60_s": everything.max_s <= MAX_WALL_S,
        "every_bomb_ended_as_it_should": all(bomb.ends_well(one.made.outcome) for bomb, one in bombs.items()),
        "every_bomb_within_10_cpu_s": all(one.made.cpu_s < MAX_CPU_S for one in bombs.values()),
    }
    own_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    figures = {
        name: asdict(_figures(tried))
        for name, tried in [("real", real), ("damaged", damaged), ("bombs", [*bombs.values()])]
    }
    print(json.dumps({**figures, "main_process_rss_bytes": own_bytes, "bounds": bounds}))
    return 0 if all(bounds.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
