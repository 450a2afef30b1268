"""What redaction hides of texts whose personal data somebody marked.

    python -m tests.evidence.redaction FILE… [--profile strict] [--least PERSON=0.95] [--most-false PERSON=5]
        [--precision 0.7] [--with KIND=MODEL]…

Each line of a file is a text as JSON: {"text", "spans": [{"start", "end", "type"}…]}, with offsets in characters. Of a
span "identifier" (DIRECT or QUASI, else NO_MASK and the like, which are passed over) and "entity" may stand there, of
a text "language" and "id". An entity, by default what is spelt alike in one text, is masked where every letter and
digit of all its mentions is. Characters are letters and digits too. A false alarm is a span of a type that touches
none of the marked ones; precision is the share of the characters hidden that are marked. Exits 0 only if the bounds
given hold, no text was refused, and there was something to measure each bound on. `--with` reads names with a further
recogniser too, as PENSTOCK_RECOGNISERS does.
"""

import argparse
import json
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from indexer import languages, upgrades
from indexer.recognisers import PROFILES
from policies.errors import PenstockError, QuarantineError
from tests import children
from tests.evidence.finding import add_upgrades, finder

MASKED = frozenset({"DIRECT", "QUASI"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Marked:
    """A text and what is to be hidden in it: start, end, type, identifier, entity."""

    text: str
    language: str
    spans: Sequence[tuple[int, int, str, str, str]]


@dataclass(kw_only=True, slots=True)
class Tally:
    """Counts of one group of texts; by type where a counter."""

    texts: int = 0
    tokens: int = 0
    characters: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    entities: Counter[str] = field(default_factory=Counter)
    masked: Counter[str] = field(default_factory=Counter)
    right_characters: Counter[str] = field(default_factory=Counter)
    hidden_characters: Counter[str] = field(default_factory=Counter)
    found: Counter[str] = field(default_factory=Counter)
    false: Counter[str] = field(default_factory=Counter)
    covered: int = 0
    rightly: int = 0

    def add(self, marked: Marked, spans: Sequence[tuple[int, int, str]]) -> None:
        """Compare what was found in a text with what is marked in it."""
        hides, right = bytearray(len(marked.text)), bytearray(len(marked.text))
        for start, end, _ in spans:
            hides[start:end] = b"\1" * (end - start)
        mentions: defaultdict[tuple[str, str], list[tuple[int, int]]] = defaultdict(list)
        for start, end, kind, identifier, entity in marked.spans:
            right[start:end] = b"\1" * (end - start)
            for name in {kind, identifier} - {""}:
                mentions[name, entity].append((start, end))
        for (name, _), places in mentions.items():
            counted = [at for start, end in places for at in range(start, end) if marked.text[at].isalnum()]
            hidden = sum(hides[at] for at in counted)
            self.entities[name] += 1
            self.masked[name] += hidden == len(counted)
            self.right_characters[name] += len(counted)
            self.hidden_characters[name] += hidden
        for start, end, kind in spans:
            self.found[kind] += 1
            self.false[kind] += not any(right[start:end])
        signs = [at for at, sign in enumerate(marked.text) if sign.isalnum()]
        self.covered += sum(hides[at] for at in signs)
        self.rightly += sum(hides[at] & right[at] for at in signs)
        self.tokens += len(marked.text.split())
        self.characters += len(marked.text)
        self.texts += 1

    def recall(self, name: str) -> float:
        """The share of entities of a type, or of an identifier, all of whose mentions are masked."""
        return self.masked[name] / self.entities[name] if self.entities[name] else 1.0

    @property
    def precision(self) -> float:
        """The share of the characters hidden that are marked; 1 where none are."""
        return self.rightly / self.covered if self.covered else 1.0

    def false_per_1000(self, name: str) -> float:
        """False alarms of a type in a thousand words."""
        return 1000 * self.false[name] / max(self.tokens, 1)

    def plain(self) -> dict[str, object]:
        """The figures."""
        return {
            "texts": self.texts,
            "tokens": self.tokens,
            "refused": dict(self.refused),
            "entities": dict(self.entities),
            "recall": {name: round(self.recall(name), 4) for name in sorted(self.entities)},
            "character_recall": {
                name: round(self.hidden_characters[name] / max(self.right_characters[name], 1), 4)
                for name in sorted(self.entities)
            },
            "character_precision": round(self.precision, 4),
            "false_per_1000": {name: round(self.false_per_1000(name), 2) for name in sorted(self.found)},
        }


def main() -> int:
    """Score the files. 0 where every bound holds."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("files", type=Path, nargs="+")
    parser.add_argument("--profile", choices=[name for name in PROFILES if PROFILES[name]], default="strict")
    parser.add_argument("--language", default="en", help="of texts that do not say")
    parser.add_argument("--least", action="append", default=[], type=_bound, metavar="TYPE=SHARE", help="recall")
    parser.add_argument(
        "--most-false", action="append", default=[], type=_bound, metavar="TYPE=NUMBER", help="of 1,000"
    )
    parser.add_argument("--precision", type=float, default=0.0, help="by characters, at least")
    add_upgrades(parser)
    arguments = parser.parse_args()
    try:
        groups, spent_s = score(arguments.files, arguments.language, arguments.profile, arguments.upgrades)
    except PenstockError as error:
        sys.exit(f"{error.message} {error.mend}")
    bounds = {
        f"{group}: {sign}": held
        for group, tally in groups.items()
        for sign, held in _bounds(tally, arguments.least, arguments.most_false, arguments.precision)
    }
    bounds["something was measured"] = any(tally.texts for tally in groups.values())
    _show(groups)
    kilobytes = sum(tally.characters for tally in groups.values()) / 1000
    print(f"{kilobytes:,.0f} KB in {spent_s:.1f} s of processor, {kilobytes / max(spent_s, 1e-9):.0f} KB/s")
    plain = {group: tally.plain() for group, tally in groups.items()}
    read_by = [str(upgrade) for upgrade in arguments.upgrades]
    print(json.dumps({"profile": arguments.profile, "with": read_by, "files": plain, "bounds": bounds}))
    return 0 if all(bounds.values()) else 1


def score(
    files: Iterable[Path], language: str, profile: str, further: Sequence[upgrades.Upgrade]
) -> tuple[dict[str, Tally], float]:
    """What of the files is hidden, by file and language, and the seconds of processor that it took to find."""
    covered = languages.COVERED | upgrades.covered(further)
    if language not in covered:
        sys.exit(f"--language is one of {', '.join(sorted(covered))}.")
    groups: dict[str, Tally] = {}
    with finder(further) as find:
        began_s = children.cpu_s()
        for path in files:
            for marked in read(path, language):
                tally = groups.setdefault(f"{path.stem} ({marked.language})", Tally())
                try:
                    tally.add(marked, find(marked.text, marked.language, profile))
                except QuarantineError as error:
                    tally.refused[error.reason] += 1
        return groups, children.cpu_s() - began_s


def read(path: Path, language: str) -> Iterator[Marked]:
    """The texts of a file; spans that need not be masked are left out."""
    try:
        lines = path.read_text("utf-8").split("\n")
    except OSError as error:
        sys.exit(f"{path}: {error.strerror}.")
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            plain = json.loads(line)
            spans = [_span(span, plain["text"]) for span in plain["spans"] if span.get("identifier", "QUASI") in MASKED]
            yield Marked(text=plain["text"], language=plain.get("language", language), spans=spans)
        except (ValueError, KeyError, TypeError) as error:
            sys.exit(f"{path}, line {number}: {error!r}. A line is {{'text', 'spans': [{{'start', 'end', 'type'}}]}}.")


def _span(span: Mapping[str, object], text: str) -> tuple[int, int, str, str, str]:
    match span:
        case {"start": int(start), "end": int(end), "type": str(kind)} if 0 <= start < end <= len(text):
            if any(map(str.isalnum, text[start:end])):
                entity = str(span.get("entity", text[start:end].casefold()))
                return start, end, kind, str(span.get("identifier", "")), entity
    raise ValueError(f"{span} is no stretch of the text with letters or digits")


def _bound(text: str) -> tuple[str, float]:
    name, _, value = text.partition("=")
    return name, float(value)


def _bounds(
    tally: Tally, least: Iterable[tuple[str, float]], most: Iterable[tuple[str, float]], precision: float
) -> Iterator[tuple[str, bool]]:
    yield "no text refused", not tally.refused
    yield f"precision >= {precision}", tally.precision >= precision
    for name, value in least:
        yield f"{name} >= {value}", tally.entities[name] > 0 and tally.recall(name) >= value
    for name, value in most:
        yield f"false {name} <= {value}", tally.tokens > 0 and tally.false_per_1000(name) <= value


def _show(groups: Mapping[str, Tally]) -> None:
    for group, tally in groups.items():
        print(f"{group}: {tally.texts} texts, {tally.tokens:,} words, {tally.refused.total()} refused, "
              f"precision by characters {tally.precision:.3f}")  # fmt: skip
        for name in sorted({*tally.entities, *tally.found}):
            share = f"{tally.recall(name):.3f} of {tally.entities[name]:,}" if tally.entities[name] else "-"
            alarms = f"{tally.false_per_1000(name):.2f}" if tally.found[name] else "-"
            print(f"  {name:20} masked {share:>18}   false in 1,000 words {alarms:>6}")


if __name__ == "__main__":
    raise SystemExit(main())
