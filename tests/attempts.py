"""One document given to the parser, with what became of it and what it cost."""

import time
from dataclasses import dataclass

from indexer.formats.elements import Part
from indexer.parse import parse
from indexer.sandbox import Sandbox
from policies.errors import QuarantineError
from tests import children

READ = "read"
ORDINARY = b"An ordinary line."


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """`outcome` is READ or the reason of the refusal; `said` is all text that came of it, or the refusal's words.

    `cpu_s` and `peak_rss_bytes` are the child's, which was `replaced` where it did not outlive the document.
    """

    outcome: str
    said: str
    parts: tuple[Part, ...]
    kind: str
    wall_s: float
    cpu_s: float
    peak_rss_bytes: int
    replaced: bool


def attempt(box: Sandbox, content: bytes, name: str, *, ocr: Sandbox | None = None) -> Attempt:
    """What becomes of the document `content` called `name`. The child should be up: its start would be counted too."""
    before, began_s, spent_s = children.running(), time.perf_counter(), children.cpu_s()
    outcome, kind = READ, ""
    parts: tuple[Part, ...] = ()
    with children.Peak() as peak:
        try:
            parsed = parse(box, data=content, name=name, languages=["en"], ocr=ocr)
            said, kind, parts = "\n".join(element.text for element in parsed.elements), parsed.kind, parsed.parts
        except QuarantineError as error:
            outcome, said = error.reason, str(error)
        wall_s = time.perf_counter() - began_s
    return Attempt(
        outcome=outcome,
        said=said,
        parts=parts,
        kind=kind,
        wall_s=wall_s,
        cpu_s=children.cpu_s() - spent_s,
        peak_rss_bytes=peak.rss_bytes,
        replaced=not {*before} <= {*children.running()},
    )


def reads_on(box: Sandbox) -> bool:
    """Whether an ordinary document is read as ever."""
    return attempt(box, ORDINARY, "a.txt").said == ORDINARY.decode()
