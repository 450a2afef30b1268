"""Which identifiers are found, in which forms: for each type and country, made up with right checksums.

    python -m tests.evidence.identifiers [--each 5] [--seed 1]

In context: plain, as it is printed, in groups apart by spaces, and over two lines, after an English and after a French
announcement. Found is what has every letter and digit hidden, by whatever entity. `wrong` are checksums made wrong that
are taken for what they are not, where a checksum alone decides; `alone` is without context. Exits 0 only if every valid
one in context is found and no wrong one.
"""

import argparse
import json
import random
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from indexer.detect import LANGUAGES, prepare
from indexer.sandbox import Handler
from tests.indexer.identifiers.kinds import KINDS, Kind

FORMS = ("plain", "printed", "spaced", "lines")
ADVERSARIAL = (
    *(
        "one by one",
        "dashes",
        "zero width",
        "full width",
        "soft hyphen",
        "&nbsp;",
        "homoglyphs",
        "superscript",
        "pairs",
    ),
    *("underscores", "letter O for 0", "reversed"),
)
_GLUED = {"=": ";", '"': '"', "//": "@db.example/x"}
"""What a label ends in that stands right before its value, and what follows the value then."""
_HOMOGLYPHS = str.maketrans("ABCEHIKMOPTXaceopx", "АВСЕНІКМОРТХасеорх")
_WIDE = {sign: sign + 0xFEE0 for sign in range(0x21, 0x7F)}
_RAISED = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


def written(kind: Kind, groups: Sequence[str], form: str, label: str) -> tuple[str, int, int]:
    """A text with the identifier after `label` in one of FORMS, and where it stands."""
    after = next((end for sign, end in _GLUED.items() if label.endswith(sign)), None)
    before = f"{label} " if after is None else label
    match form:
        case "plain":
            value = "".join(groups)
        case "printed":
            value = kind.mark.join(groups)
        case "spaced":
            value = " ".join(groups)
        case _ if len(groups) > 1:
            value = f"{groups[0]}\n{' '.join(groups[1:])}"
        case _:
            before, value = f"{label}\n", groups[0]
    return f"{before}{value}{' and so on.' if after is None else after}", len(before), len(before) + len(value)


def twisted(groups: Sequence[str], form: str) -> str:
    """The identifier in one of the ADVERSARIAL forms."""
    plain = "".join(groups)
    forms: dict[str, str] = {
        "one by one": " ".join(plain),
        "dashes": "-".join(plain),
        "zero width": "\u200b".join(plain),
        "full width": plain.translate(_WIDE),
        "soft hyphen": "\u00ad".join(groups) if len(groups) > 1 else f"{plain[:3]}\u00ad{plain[3:]}",
        "&nbsp;": "&nbsp;".join(groups),
        "homoglyphs": " ".join(groups).translate(_HOMOGLYPHS),
        "superscript": plain.translate(_RAISED),
        "pairs": " ".join(plain[at : at + 2] for at in range(0, len(plain), 2)),
        "underscores": "_".join(groups),
        "letter O for 0": plain.replace("0", "O"),
        "reversed": plain[::-1],
    }
    return forms[form]


def is_hidden(handler: Handler, text: str, start: int, end: int) -> bool:
    """Whether every letter and digit there is hidden."""
    hides = bytearray(len(text))
    for first, last, _ in spans(handler, text):
        hides[first:last] = b"\1" * (last - first)
    return all(hides[at] for at in range(start, end) if text[at].isalnum())


def spans(handler: Handler, text: str) -> Iterator[tuple[int, int, str]]:
    """What the detector finds in a text by itself, in the strictest profile."""
    answer = handler({"texts": [text], "languages": list(LANGUAGES), "profile": "strict"}, b"")["spans"]
    for span in answer[0] if isinstance(answer, list) and isinstance(answer[0], list) else []:
        match span:
            case [int(first), int(last), str(entity)]:
                yield first, last, entity


def wrong(groups: Sequence[str]) -> list[str]:
    """The groups with another last digit."""
    last = groups[-1]
    return [*groups[:-1], f"{last[:-1]}{(int(last[-1]) + 1) % 10}"]


def forms(kind: Kind) -> tuple[str, ...]:
    """The forms in context that a kind is written in."""
    return ("printed",) if kind.fixed else FORMS


def score(handler: Handler, kind: Kind, rng: random.Random, each: int) -> tuple[Counter[str], Counter[str]]:
    """How many of a kind were found and how many there were, by form."""
    found: Counter[str] = Counter()
    made: Counter[str] = Counter()
    for _ in range(each):
        groups = kind.make(rng)
        for form in forms(kind):
            for label in (kind.english, kind.french):
                made[form] += 1
                found[form] += is_hidden(handler, *written(kind, groups, form, label))
        made["alone"] += 1
        found["alone"] += is_hidden(handler, *written(kind, groups, "printed", "It is"))
        if kind.checked:
            text, start, end = written(kind, wrong(groups), "printed", kind.english)
            made["wrong"] += 1
            found["wrong"] += any(
                entity in kind.entities and first < end and start < last for first, last, entity in spans(handler, text)
            )
        for form in ADVERSARIAL if kind.spelt and not kind.fixed else ():
            value = twisted(groups, form)
            made[form] += 1
            text = f"{kind.english} {value} and so on."
            found[form] += is_hidden(handler, text, len(kind.english) + 1, len(kind.english) + 1 + len(value))
    return found, made


def holds(kind: Kind, found: Mapping[str, int], made: Mapping[str, int]) -> bool:
    """Whether every valid one in context was found, and alone where its shape is enough, and no wrong one."""
    due = (*forms(kind), *(("alone",) if kind.alone else ()))
    return all(found[form] == made[form] for form in due) and not found["wrong"]


def main() -> int:
    """Print the tables. 0 where the bounds hold."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--each", type=int, default=5, help="how many of each kind")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    handler, rng = prepare(), random.Random(arguments.seed)  # noqa: S311 - invented identifiers
    columns = (*FORMS, "alone", "wrong")
    print(f"{'':24}" + "".join(f"{column:>10}" for column in columns))
    twists: Counter[str] = Counter()
    twisted_of: Counter[str] = Counter()
    rows: dict[str, dict[str, str]] = {}
    bad: list[str] = []
    for kind in KINDS:
        found, made = score(handler, kind, rng, arguments.each)
        cells = {column: f"{found[column]}/{made[column]}" if made[column] else "" for column in columns}
        print(f"{kind.name:24}" + "".join(f"{cells[column]:>10}" for column in columns))
        rows[kind.name] = cells
        bad += [] if holds(kind, found, made) else [kind.name]
        twists.update({form: found[form] for form in ADVERSARIAL})
        twisted_of.update({form: made[form] for form in ADVERSARIAL})
    print("\nAdversarial forms, in English context, over all kinds that can be spelt")
    for form in ADVERSARIAL:
        print(f"{form:24}{twists[form]:>6} of {twisted_of[form]}")
    adversarial = {form: f"{twists[form]}/{twisted_of[form]}" for form in ADVERSARIAL}
    print(json.dumps({"kinds": rows, "adversarial": adversarial, "failing": bad}))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
