"""Hostile strings against every recogniser: each is answered or quarantined in time, none passes unlooked.

    python -m tests.evidence.hostile [--kilobytes 1 10 100]

Strings: long runs of each class of characters, near-misses of each rule made by repeating the beginning of a value it
finds, nested separators, chains of dots and of @, digits with separators, and what stands for redacted text. Each rule
alone is given each, then the whole detector in its sandbox, with a value at the end that must not be seen again. In
time is 200 ms and 50 ms of the processor for each KB. Exits 0 only if all are in time and no value came through.
"""

import argparse
import json
import os
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from indexer.detect import LANGUAGES
from indexer.hunt import CPU_PER_KB_S, MIN_CPU_S
from indexer.recognisers import ENTITIES, RULES, lines, spaced
from indexer.recognisers.fold import BLANK, BREAK, fold, folder
from indexer.redact import Redactor, detector
from indexer.rules import RedactionRules
from policies.errors import QuarantineError
from tests.benchmarks.stopwatch import cpu_of
from tests.indexer.identifiers.kinds import KINDS

VALUE = "ann.lee@example.com"
KEY = bytes(32)
STRICT = RedactionRules(profile="strict", languages=LANGUAGES)
_PIECES: Mapping[str, str] = {
    "digits": "1",
    "letters": "a",
    "capitals": "A",
    "accents": "é",
    "spaces": " ",
    "lines": "\n",
    "dots": ".",
    "dashes": "-",
    "underscores": "_",
    "at": "@",
    "slashes": "/",
    "colons": ":",
    "quotes": '"',
    "equals": "=",
    "zero width": "\u200b",
    "combining": "e\u0301\u0301\u0301",
    "wide": "１",
    "right to left": "\u202eש",
    "emoji": "👩‍👩‍👧",
    "blanks": BLANK,
    "breaks": BREAK,
    "surrogates": "\ud800",
    "tabs": "\t",
    "brackets": "[({<",
    "at chain": "a@",
    "at chain, spaced": "a@ ",
    "dotted": "a.",
    "dots in words": "a.b.c.d.e ",
    "digits, spaced": "1 ",
    "digits, dashed": "1-",
    "digits, dotted": "1.",
    "digits, every mark": "1 -.1(1)/",
    "pairs": "12 34 ",
    "fours": "4111 1111 ",
    "on lines": "1111\n",
    "digit lines": "1\n",
    "capital words": "Aa ",
    "street words": "12 Mill Mill Mill Mill ",
    "rue": "12 rue de la ",
    "towns": "Mill, Leeds, ",
    "numbers": "12, ",
    "states": "NY 1",
    "labels": "passport ",
    "many labels": "card iban nir mrn vin tel ",
    "password": "password is ",
    "password=": "password=",
    "tokens": "token: ",
    "schemes": "://a:",
    "keys": "-----BEGIN PRIVATE KEY-----",
    "dashes of a key": "-----",
    "pseudonyms": "[PERSON_abcdefghijabcdefghij]",
    "like pseudonyms": "[PERSON_abcdefghijabcdefghi]",
    "half a pseudonym": "[EMAIL_ADDRESS_",
    "escapes": "&nbsp;",
    "half an escape": "&#1",
    "months": "12 March ",
    "titles": "Mr A. B. ",
    "mrz": "P<",
    "aws": "aws ",
    "plus": "+1 ",
    "zeros": "00",
    "brackets, nested": "(((1)))",
    "hyphens of words": "a-b'",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """What came of one string: `how` is `answered`, `passed` or the reason of a quarantine."""

    name: str
    kilobytes: float
    cpu_s: float
    how: str

    @property
    def is_late(self) -> bool:
        """Whether it took more than it may."""
        return self.cpu_s > MIN_CPU_S + CPU_PER_KB_S * self.kilobytes


def strings(characters: int, rng: random.Random) -> Iterator[tuple[str, str]]:
    """Every hostile string of that length, with its name."""
    for name, piece in _PIECES.items():
        yield name, _repeated(piece, characters)
    for kind in KINDS:
        value = kind.mark.join(kind.make(rng))
        yield f"beginnings: {kind.name}", _repeated(f"{value[:-1]} ", characters)
        yield (
            f"announced beginnings: {kind.name}",
            _repeated(f"{kind.english} {value[: len(value) // 2 + 1]}", characters),
        )
    soup = [
        chr(sign)
        for sign in (*range(32, 127), *range(0x2000, 0x2070), *range(0x1D400, 0x1D440), *range(0xE000, 0xE003))
    ]
    yield "soup", "".join(rng.choices(soup, k=characters))
    yield "soup of marks", "".join(rng.choices(" .,-_/@:=\"'()[]<>\n0123456789", k=characters))
    yield "every beginning", _repeated("".join("".join(kind.make(rng))[:-1] + " " for kind in KINDS), characters)


def rules_alone(characters: int, rng: random.Random) -> Iterator[Result]:
    """The slowest rule for each string, of all rules and of the looks over lines and at single characters."""
    special = folder(ENTITIES)
    for name, text in strings(characters, rng):
        plain = fold(text, special).text
        slowest, rule = max((_timed(finder, plain), place) for place, finder in enumerate((*RULES, lines, spaced)))
        entity = RULES[rule].entity if rule < len(RULES) else ("lines", "spaced")[rule - len(RULES)]
        yield Result(name=f"{entity} #{rule}: {name}", kilobytes=characters / 1000, cpu_s=slowest, how="answered")


def whole(characters: int, rng: random.Random) -> Iterator[Result]:
    """Each string and VALUE through a redactor whose child serves nobody else."""
    with detector() as sandbox:
        redactor = Redactor(sandbox)
        _end(redactor, "warm")
        for name, text in strings(characters, rng):
            before = cpu_of(os.getpid())
            how = _end(redactor, f"{text}\n\n{VALUE}\n")
            cpu_s = cpu_of(os.getpid()) - before
            if how not in {"answered", "passed"}:
                _end(redactor, "warm")  # in case the child was replaced: its start is not the next one's
            yield Result(name=name, kilobytes=characters / 1000, cpu_s=cpu_s, how=how)


def _repeated(piece: str, characters: int) -> str:
    return (piece * (characters // len(piece) + 1))[:characters]


def _timed(finder: object, text: str) -> float:
    began = time.process_time()
    match finder:
        case _ if finder in (lines, spaced):
            for _ in (lines if finder is lines else spaced).find(text, ENTITIES):
                pass
        case _:
            for _ in finder.find(text):  # type: ignore[attr-defined]
                pass
    return time.process_time() - began


def _end(redactor: Redactor, text: str) -> str:
    """`answered`, or `passed` where VALUE is still there, or the reason of the quarantine."""
    try:
        redacted = redactor.redact([text], key=KEY, rules=STRICT).texts[0]
    except QuarantineError as error:
        return error.reason
    return "passed" if VALUE in redacted else "answered"


def summary(results: Sequence[Result]) -> dict[str, object]:
    """How many of each end, and the worst."""
    ends = Counter(result.how for result in results)
    worst = max(results, key=lambda result: result.cpu_s)
    return {"strings": len(results), "passed": 0, **ends, "late": sum(result.is_late for result in results),
            "worst": worst.name, "worst_cpu_s": round(worst.cpu_s, 3)}  # fmt: skip


def main() -> int:
    """Print what came of each length. 0 where all were in time and nothing passed."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kilobytes", type=int, nargs="+", default=[1, 10, 100])
    arguments = parser.parse_args()
    rows: dict[str, dict[str, object]] = {}
    for kilobytes in arguments.kilobytes:
        for name, look in (("rules alone", rules_alone), ("in its sandbox", whole)):
            results = list(look(kilobytes * 1000, random.Random(kilobytes)))  # noqa: S311 - hostile, not secret
            rows[f"{name}, {kilobytes} KB"] = summary(results)
            print(f"{name}, {kilobytes} KB: {rows[f'{name}, {kilobytes} KB']}")
            for result in results:
                if result.is_late or result.how != "answered":
                    print(f"  {result.name}: {result.how}, {result.cpu_s:.2f} s")
    print(json.dumps(rows))
    return 1 if any(row["late"] or row["passed"] for row in rows.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
