"""Look for values in the texts of a document, over and over, until a second redaction would find nothing more.

What finds values in a text, and what reads it for names, is given.
"""

import re
import time
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import accumulate
from typing import NamedTuple, Protocol, TypeVar

from indexer.allowed import Allowed
from indexer.reasons import CUSTOM, KNOWN, LINES, LONG, SPACED
from indexer.recognisers import ENTITIES, LONG_TOKEN, NAMES, lines, spaced
from indexer.recognisers.fold import BLANK, BREAK
from indexer.recognisers.person import ADDRESSED
from indexer.recognisers.rule import CHECKED, REACH_CHARACTERS, Rule
from policies.errors import QuarantineError

MAX_RUN_CHARACTERS = 254
"""A longer run without a space is redacted whole. No address is longer (RFC 5321, section 4.5.3.1.3), and the time of
some patterns grows with the square of it: at 40,000 characters Presidio's own e-mail pattern takes over a minute."""
MAX_PASSES = 6  # chosen: none of 529 real texts needed more than two
MAX_READINGS = 2
"""How often a text is read for names at most. At the edges of what is redacted the tagger could go on."""
CONTEXT_CHARACTERS = 2 * REACH_CHARACTERS
"""How far before a text what announces a value in it may begin: the reach, and the words themselves."""
MIN_CPU_S, CPU_PER_KB_S = 0.2, 0.05
"""What of the processor a call may take, and more for each thousand characters. Looked at between passes."""
_BETWEEN = f"\n{BREAK}\n"
# Thai, Lao, Burmese, Khmer, Chinese and Japanese put no spaces between words.
_RUN = re.compile(
    rf"[^\s{BLANK}{BREAK}\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u9fff]{{{MAX_RUN_CHARACTERS + 1},}}"
)
_UNSPACED = "\u0e00"
"""Letters from here on may stand side by side and belong to two words."""
_LONGEST_TITLE = 14
_RULE_OFF = re.compile(r"([^\w\s])\1{7,}")  # a ruled line, or the dots of a table of contents


Span = tuple[int, int, str]


class Finding(NamedTuple):
    """A stretch of a text that holds an entity, how sure that is (None where that is not told), and what found it.

    Finders are named as in `indexer.reasons`.
    """

    start: int
    end: int
    entity: str
    score: float | None
    finder: str


_Spanned = TypeVar("_Spanned", Finding, Span)
Analyse = Callable[[str, list[str]], list[Finding]]
"""Finds values of some entities, at least one, in a text."""
Look = Callable[[str], list[Finding]]


class Known(Protocol):
    """The people who were found."""

    def add(self, names: Iterable[str]) -> None:
        """Remember names, as folded text has them."""

    def find(self, text: str) -> Iterator[tuple[int, int]]:
        """Where words of the names stand in a folded text."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """What is looked for: entities, those of a source's own patterns among them; and the strings that stay."""

    entities: frozenset[str]
    own: tuple[Rule, ...]
    allowed: Allowed


@dataclass(frozen=True, kw_only=True, slots=True)
class Further:
    """Further recognisers, asked wherever texts are read for names.

    They `find` in `spelt`: each text as it was written, as long as the folded one; what is found already is blanks.
    For that, `cpu_s` more seconds of the processor may be taken.
    """

    spelt: Sequence[str]
    find: Look
    cpu_s: float


class Hunt:
    """Looks at the folded texts of a document. `spans` has what is hidden in each, `findings` what that is made of."""

    def __init__(
        self, texts: Sequence[str], wanted: Wanted, analyse: Analyse, known: Known, further: Further | None = None
    ) -> None:
        self.spans: list[list[Span]] = [[] for _ in texts]
        self.findings: list[list[Finding]] = [[] for _ in texts]
        self._texts = list(texts)
        self._further = further
        cpu_s = MIN_CPU_S + CPU_PER_KB_S * sum(map(len, texts)) / 1000 + (further.cpu_s if further else 0.0)
        self._until_s = time.thread_time() + cpu_s
        self._allowed = wanted.allowed
        self._known = known
        self._values_in = partial(_values, wanted, analyse)
        self._apart_in = partial(_apart, wanted.entities)
        names = sorted(wanted.entities & NAMES)
        self._names_in: Look | None = (lambda stream: analyse(stream, names)) if names else None

    def run(self) -> None:
        """Find everything.

        What is found is blanked out, and a text in which something was found is looked at again, until nothing more is
        found: first for values, then in all texts for values over two lines or one character at a time, then what is
        left is read for names. A person who was found in one text is looked for in all. What remains is what a second
        redaction would see.

        Raises:
            QuarantineError: reason `redaction_timeout` or `redaction_endless`.
        """
        everywhere = list(range(len(self._texts)))
        self._take({place: list(_long_tokens(text)) for place, text in enumerate(self._texts)}, LONG)
        pending, unread, readings = everywhere, True, 0
        for _ in range(MAX_PASSES + MAX_READINGS):
            self._ensure_in_time()
            new = self._look(pending, self._values_in) or self._look(everywhere, self._apart_in)
            if not new and self._names_in and unread and readings < MAX_READINGS:
                # All of them: how a name is read depends on what stands around it, in the texts beside its own too.
                new = self._look(everywhere, self._names_in, self._further)
                unread, readings = False, readings + 1
            if not new:
                self._ensure_in_time()
                return
            pending = sorted(new | self._look_for_the_known())
            unread = True
        raise QuarantineError(
            "Redaction does not come to an end.", reason="redaction_endless", stage="redact", mend="Split the document."
        )

    def _look(self, wanted: Iterable[int], look: Look, further: Further | None = None) -> set[int]:
        """Look through these texts as one, with those that may announce a value in them. Where anything is new."""
        places = _with_context(self._texts, wanted)
        stream = _BETWEEN.join(self._texts[place] for place in places)
        findings = look(stream)
        if further:
            findings += further.find(_spelt(stream, _BETWEEN.join(further.spelt[place] for place in places)))
        if not (hidden := self._allowed.spare(stream, disjoint(_best_first(stream, findings)))):
            return set()
        lengths = [len(self._texts[place]) for place in places]
        for place, made_of in zip(places, _by_text(findings, lengths), strict=True):
            self.findings[place] += (Finding(start, end, *finding[2:]) for start, end, finding in made_of)
        spans = {
            place: [(start, end, entity) for start, end, (_, _, entity) in found]
            for place, found in zip(places, _by_text(hidden, lengths), strict=True)
        }
        self._known.add(
            _addressed(self._texts[place], start, end)
            for place, found in spans.items()
            for start, end, entity in found
            if entity == "PERSON"
        )
        return self._blank(spans)

    def _look_for_the_known(self) -> set[int]:
        found: dict[int, list[Span]] = {}
        for place, text in enumerate(self._texts):
            found[place] = self._allowed.spare(text, [(*span, "PERSON") for span in self._known.find(text)])
        return self._take(found, KNOWN)

    def _take(self, spans: Mapping[int, list[Span]], finder: str) -> set[int]:
        for place, found in spans.items():
            self.findings[place] += (Finding(*span, None, finder) for span in found)
        return self._blank(spans)

    def _blank(self, spans: Mapping[int, list[Span]]) -> set[int]:
        """Take new spans, by text, and blank them out. Where there was any."""
        changed = {place for place, found in spans.items() if found}
        for place in changed:
            self.spans[place] += spans[place]
            self._texts[place] = _blank(self._texts[place], spans[place])
        return changed

    def _ensure_in_time(self) -> None:
        if time.thread_time() > self._until_s:
            raise QuarantineError(
                "Redaction took more of the processor than a text of this length may.",
                reason="redaction_timeout",
                stage="redact",
                mend="Split the document.",
            )


def _values(wanted: Wanted, analyse: Analyse, stream: str) -> list[Finding]:
    entities = sorted(wanted.entities & ENTITIES - NAMES - {LONG_TOKEN})
    own = [rule for rule in wanted.own if rule.entity in wanted.entities]
    findings = [Finding(*hit[:2], rule.entity, hit.score, CUSTOM) for rule in own for hit in rule.find(stream)]
    findings += analyse(stream, entities) if entities else ()
    return [*findings, *_begun_above(wanted.entities, stream, findings)]


def _begun_above(entities: frozenset[str], stream: str, findings: Sequence[Finding]) -> Iterator[Finding]:
    """Values that a check digit confirms over two lines, of which the lower part alone was taken for a value."""
    begins = sorted(one.start for one in findings)
    for entity, hit in lines.find(stream, entities, before=begins) if findings else ():
        if hit.score == CHECKED and any(
            hit.start < one.start < hit.end and "\n" in stream[hit.start : one.start] for one in findings
        ):
            yield Finding(hit.start, hit.end, entity, hit.score, LINES)


def _apart(entities: frozenset[str], stream: str) -> list[Finding]:
    """Values over two lines, and those written one character at a time."""
    found = {LINES: lines.find(stream, entities), SPACED: spaced.find(stream, entities)}
    return [
        Finding(hit.start, hit.end, entity, hit.score, finder) for finder, hits in found.items() for entity, hit in hits
    ]


def _addressed(text: str, start: int, end: int) -> str:
    """What stands there, and the form of address before it."""
    before = max(text.rfind("\n", 0, start), start - _LONGEST_TITLE) + 1
    title = next((one for one in ADDRESSED.finditer(text, before, start) if one.end() == start), None)
    return text[title.start() if title else start : end]


def _with_context(texts: Sequence[str], places: Iterable[int]) -> list[int]:
    """These places and those before each that may announce a value in it."""
    wanted: set[int] = set()
    for place in places:
        wanted.add(place)
        before, reach = place - 1, CONTEXT_CHARACTERS
        while before >= 0 and reach > 0 and before not in wanted:
            wanted.add(before)
            reach -= len(texts[before])
            before -= 1
    return sorted(wanted)


def _long_tokens(stream: str) -> Iterator[Span]:
    for run in _RUN.finditer(stream):
        start = run.start()
        for rule_off in (*_RULE_OFF.finditer(stream, start, run.end()), None):
            end = rule_off.start() if rule_off else run.end()
            if end - start > MAX_RUN_CHARACTERS and any(map(str.isalnum, stream[start:end])):
                yield start, end, LONG_TOKEN
            start = rule_off.end() if rule_off else end


def _best_first(stream: str, findings: Iterable[Finding]) -> list[Span]:
    """The findings, surest and longest first, less a space at the end, and grown to what each would cut through."""
    ordered = sorted(findings, key=lambda one: (-(one.score or 0), one.start - one.end, one.entity))
    return [(*_whole(stream, one.start, one.end), one.entity) for one in ordered]


def _spelt(stream: str, spelt: str) -> str:
    """A stream as it is spelt, with blanks for what is found already and between texts."""
    marks = {BLANK, BREAK}
    return "".join(" " if folded in marks else own for folded, own in zip(stream, spelt, strict=True))


def _whole(stream: str, start: int, end: int) -> tuple[int, int]:
    while end - 1 > start and stream[end - 1].isspace():
        end -= 1
    while start and _is_joined(stream[start - 1 : start + 1]):
        start -= 1
    while _is_joined(stream[end - 1 : end + 1]):
        end += 1
    return start, end


def _is_joined(pair: str) -> bool:
    return len(pair) == len("ab") and pair.isalnum() and max(pair) < _UNSPACED


def disjoint(spans: Iterable[Span]) -> list[Span]:
    """The spans in order; those that overlap become one, named like the first of them as given."""
    merged: list[tuple[int, Span]] = []
    for rank, (start, end, entity) in sorted(enumerate(spans), key=lambda ranked: ranked[1][0]):
        if merged and start < merged[-1][1][1]:
            best, (first, last, name) = merged[-1]
            merged[-1] = min(best, rank), (first, max(last, end), name if best < rank else entity)
        else:
            merged.append((rank, (start, end, entity)))
    return [span for _, span in merged]


def _blank(stream: str, spans: Iterable[Span]) -> str:
    parts: list[str] = []
    done = 0
    for start, end, _ in spans:
        parts += (stream[done:start], BLANK * (end - start))
        done = end
    return "".join((*parts, stream[done:]))


def _by_text(spans: Iterable[_Spanned], lengths: Sequence[int]) -> list[list[tuple[int, int, _Spanned]]]:
    """What spans a stream by text, with its start and end there; what goes over the end of a text in two parts."""
    starts = list(accumulate((length + len(_BETWEEN) for length in lengths[:-1]), initial=0))
    found: list[list[tuple[int, int, _Spanned]]] = [[] for _ in lengths]
    for one in spans:
        start, end, *_ = one
        for place in range(bisect_right(starts, start) - 1, bisect_left(starts, end)):
            first, last = max(start - starts[place], 0), min(end - starts[place], lengths[place])
            if first < last:
                found[place].append((first, last, one))
    return found
