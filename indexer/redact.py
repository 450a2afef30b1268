"""Replace personal data and secrets by pseudonyms that say what stood there and, under one key, what is the same."""

import hmac
import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from typing import Protocol, assert_never

from indexer.reasons import Explained, Hidden, Reason, assigned, reasons_of
from indexer.recognisers.canonical import canonical
from indexer.recognisers.fold import fold, folder
from indexer.rules import ALWAYS, RedactionRules
from indexer.sandbox import JSON, Sandbox
from indexer.upgrades import Upgrade, allowance_s
from indexer.versions import code_version
from policies.errors import QuarantineError, RefusedError

MIN_KEY_BYTES = 16
ADDRESS_SPACE_BYTES = 2 * 2**30
START_TIMEOUT_S = 60.0
MIN_TIMEOUT_S, TIMEOUT_PER_KB_S = 2.0, 0.2
"""By the clock. Chosen: four times what the detector allows itself of the processor, which others use too."""

PSEUDONYM = re.compile(r"\[([A-Z][A-Z0-9_]*)_([a-p]{20})\]")
"""What `pseudonym` makes: the entity, and the letters."""
PATTERNS_ONLY = "PATTERNS_ONLY"
"""Counts, among a document's redactions, passages in a language in which names were not looked for."""
MAX_DROPS = 6
"""How often a text is looked at again where values were dropped, which brings together what stood apart."""

_FEWEST_STARS, _MOST_STARS = 4, 16
_CARD_DIGITS_LEFT = 4
_SHORTEST_CARD = 12
_PSEUDONYM_CHARACTERS = 20
_PLAIN = folder(())
_DECIDING = (
    "allowed.py",
    "detect.py",
    "hunt.py",
    "languages.py",
    "readers.py",
    "redact.py",
    "rules.py",
    "upgrades.py",
)
_LETTERS = bytes.maketrans(b"0123456789abcdef", b"abcdefghijklmnop")


REFUSALS: Mapping[str, tuple[str, str]] = {
    "recogniser_failed": ("A recogniser gave up.", "Split the document, or report it."),
    "redaction_timeout": (
        "Redaction took more of the processor than a text of this length may.",
        "Split the document.",
    ),
    "language_not_covered": (
        "A part is in a language or script whose names no recogniser reads.",
        "Leave it out, or let patterns do with `other_languages: patterns` in the manifest.",
    ),
    "redaction_endless": ("Redaction does not come to an end.", "Split the document."),
    "redaction_not_covered": (
        "No recogniser covers these languages or this profile.",
        "Name languages and a profile that redaction covers.",
    ),
}
"""The message and the mend of every reason for which `indexer.detect` refuses."""


class Detector(Protocol):
    """What finds the spans: a `Sandbox` that serves `indexer.detect`."""

    def call(self, header: Mapping[str, JSON], body: bytes, *, timeout_s: float) -> dict[str, JSON]:
        """The handler's answer to `header`."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Redacted:
    """Texts as they may be kept, in the order given, and how many values of each entity were replaced in them.

    `uncovered` passages are in a language in which patterns alone were looked for: names may stand in them.
    `values` has, where they were asked for, each pseudonym with what first stood in its place; never a secret.
    """

    texts: tuple[str, ...]
    counts: Mapping[str, int]
    uncovered: int
    values: Mapping[str, str] = field(default_factory=dict, repr=False)


def detector(upgrades: Sequence[Upgrade] = (), *, cpu_s: float = math.inf) -> Sandbox:
    """The process that finds spans, with the limits that were measured for it. Its library is imported there only.

    It does not start without one of `upgrades`, the further recognisers. `cpu_s` limits the processor time of one
    call, in whole seconds.

    Raises:
        DependencyError: a further recogniser is not there.
    """
    return Sandbox(
        "indexer.detect",
        stage="redact",
        address_space_bytes=ADDRESS_SPACE_BYTES + sum(upgrade.address_space_bytes for upgrade in upgrades),
        start_timeout_s=START_TIMEOUT_S * (1 + len(upgrades)),
        cpu_s=cpu_s,
        refusals=REFUSALS,
        words=[str(upgrade) for upgrade in upgrades],
        first=list(dict.fromkeys(library for upgrade in upgrades for library in upgrade.loads)),
        start_mend=" ".join(upgrade.mend for upgrade in upgrades),
    )


class Redactor:
    """Redacts texts with what `detector` finds, which was made with these `upgrades`."""

    def __init__(self, detector: Detector, upgrades: Sequence[Upgrade] = ()) -> None:
        self._detector = detector
        self._upgrades = tuple(upgrades)

    @cached_property
    def version(self) -> str:
        """Changes whenever the same text might come out differently, with the files of a further recogniser too.

        Raises:
            DependencyError: a further recogniser is not there.
        """
        own = code_version(
            [*_DECIDING, "recognisers/*.py", "ner/*.py"],
            ["presidio-analyzer", "phonenumbers", "py3langid", "numpy", "regex"],
        )
        parts = (own, *(upgrade.version for upgrade in self._upgrades))
        return sha256("\n".join(parts).encode()).hexdigest() if self._upgrades else own

    def redact(self, texts: Sequence[str], *, key: bytes, rules: RedactionRules, with_values: bool = False) -> Redacted:
        """`texts` with every value that `rules` cover replaced as they say, by `[ENTITY_<20 letters>]` if nothing else.

        The letters are 80 bits of HMAC-SHA256 under `key` over the entity and the value's canonical spelling, so a
        value gets the same pseudonym in a document and in a query. Everything else is unchanged to the character, but
        for a space beside what is dropped, and redacting the result changes nothing but, rarely, a name at the edge of
        what is redacted. The texts of one document belong into one call, in order. Rules without entities return the
        texts as they are.

        Raises:
            QuarantineError: stage `redact`; reason `redaction_timeout`, or `redaction_failed`, or the detector's own.
                Nothing of the texts may be kept.
            RefusedError: the key is too short.
            DependencyError: the detector does not start; the texts were not looked at.
        """
        if len(key) < MIN_KEY_BYTES:
            raise RefusedError(
                f"A redaction key has at least {MIN_KEY_BYTES} bytes.", mend="Take the source's key from the keyring."
            )
        if not rules.entities:
            return Redacted(texts=tuple(texts), counts={}, uncovered=0)
        counts: Counter[str] = Counter()
        uncovered = 0
        values: dict[str, str] = {}
        for _ in range(MAX_DROPS):
            found, passed = self.find(texts, rules)
            uncovered = max(uncovered, passed)
            if with_values:
                _keep_values(values, texts, found, key, rules)
            texts = [_replace(text, spans, key, rules) for text, spans in zip(texts, found, strict=True)]
            entities = [entity for spans in found for _, _, entity in spans]
            counts.update(entities)
            if not any(rules.mode(entity) == "drop" for entity in entities):
                counted = dict(sorted(counts.items()))
                return Redacted(texts=tuple(texts), counts=counted, uncovered=uncovered, values=values)
        message, mend = REFUSALS["redaction_endless"]
        raise QuarantineError(message, reason="redaction_endless", stage="redact", mend=mend)

    def find(self, texts: Sequence[str], rules: RedactionRules) -> tuple[list[list[tuple[int, int, str]]], int]:
        """What would be replaced of each text, in order and disjoint: start, end, entity. Then the passages uncovered.

        Raises as `redact`.
        """
        timeout_s = max(MIN_TIMEOUT_S, TIMEOUT_PER_KB_S * sum(map(len, texts)) / 1000)
        timeout_s += allowance_s(self._upgrades, texts)
        request: dict[str, JSON] = {"texts": list(texts), **rules.request()}
        try:
            answer = self._detector.call(request, b"", timeout_s=timeout_s)
        except QuarantineError as error:
            if error.reason == "timeout":
                raise QuarantineError(
                    f"Redaction took longer than {timeout_s:.1f} s.",
                    reason="redaction_timeout",
                    stage="redact",
                    mend="Split the document.",
                ) from error
            raise
        return _spans(answer, texts, rules.known), _uncovered(answer)

    def explain(self, texts: Sequence[str], *, key: bytes, rules: RedactionRules) -> Explained:
        """What `redact` makes of `texts`, and why. Raises as `redact`; rules without entities hide nothing."""
        asking = _Explaining(self._detector)
        redacted = Redactor(asking, self._upgrades).redact(texts, key=key, rules=rules)
        if not asking.answer:
            return Explained(originals=tuple(texts), texts=redacted.texts, hidden=((),) * len(texts), counts={})
        spans = _spans(asking.answer, texts, rules.known)
        found = zip(texts, spans, reasons_of(asking.answer, texts), strict=True)
        hidden = tuple(_hidden(text, of_text, reasons, key, rules) for text, of_text, reasons in found)
        return Explained(originals=tuple(texts), texts=redacted.texts, hidden=hidden, counts=redacted.counts)


class _Explaining:
    """A detector that asks for reasons as well, and keeps the answer to what it was asked first."""

    def __init__(self, detector: Detector) -> None:
        self._detector = detector
        self.answer: dict[str, JSON] = {}

    def call(self, header: Mapping[str, JSON], body: bytes, *, timeout_s: float) -> dict[str, JSON]:
        answer = self._detector.call({**header, "explain": True}, body, timeout_s=timeout_s)
        self.answer = self.answer or answer
        return answer


def pseudonym(entity: str, value: str, *, key: bytes) -> str:
    """`[ENTITY_<20 letters>]`: letters only, so that it is one word to a lexicon and no number to a recogniser."""
    message = f"{entity}|{canonical(entity, value)}".encode(errors="surrogatepass")
    digest = hmac.new(key, message, sha256).hexdigest()[:_PSEUDONYM_CHARACTERS]
    return f"[{entity}_{digest.encode().translate(_LETTERS).decode()}]"


def _replace(text: str, spans: Sequence[tuple[int, int, str]], key: bytes, rules: RedactionRules) -> str:
    parts: list[str] = []
    done = 0
    for start, end, entity in spans:
        parts.append(text[done:start])
        done = end
        match rules.mode(entity):
            case "pseudonym":
                parts.append(pseudonym(entity, text[start:end], key=key))
            case "opaque":
                parts.append(f"[{entity}]")
            case "mask":
                parts.append(_mask(entity, text[start:end]))
            case "drop":
                parts[-1], gap, done = _closed(parts[-1], text, end)
                parts.append(gap)
            case mode:
                assert_never(mode)
    return "".join((*parts, text[done:]))


def _keep_values(
    values: dict[str, str],
    texts: Sequence[str],
    found: Sequence[Sequence[tuple[int, int, str]]],
    key: bytes,
    rules: RedactionRules,
) -> None:
    """Add what stands where a pseudonym will, by pseudonym, unless it is known already or a secret."""
    for text, spans in zip(texts, found, strict=True):
        for start, end, entity in spans:
            if entity not in ALWAYS and rules.mode(entity) == "pseudonym":
                value = text[start:end]
                values.setdefault(pseudonym(entity, value, key=key), value)


def _mask(entity: str, value: str) -> str:
    """Stars for letters and digits, and the last digits of a card, which PCI DSS 3.4.1 lets show."""
    plain = "".join(filter(str.isalnum, fold(value, _PLAIN).text))
    is_card = entity == "CREDIT_CARD" and plain.isdigit() and len(plain) >= _SHORTEST_CARD
    left = plain[-_CARD_DIGITS_LEFT:] if is_card else ""
    return "*" * min(max(len(plain) - len(left), _FEWEST_STARS), _MOST_STARS) + left


def _closed(before: str, text: str, end: int) -> tuple[str, str, int]:
    """How a text closes where a value that ended at `end` is dropped.

    That is what stood before, what parts it from what follows, and where that begins: of two spaces one goes.
    """
    after = text[end : end + 1]
    if before[-1:] in {" ", "\t"} and (not after or after.isspace() or after in ",.;:!?)"):
        return before[:-1], "", end
    if before[-1:] in {"", "\n"} and after in {" ", "\t"}:
        return before, "", end + 1
    return before, " " if before[-1:].isalnum() and after.isalnum() else "", end


def _hidden(
    text: str, spans: Sequence[tuple[int, int, str]], reasons: Sequence[Reason], key: bytes, rules: RedactionRules
) -> tuple[Hidden, ...]:
    return tuple(
        Hidden(
            start=start,
            end=end,
            entity=entity,
            replacement=_replace(text[start:end], [(0, end - start, entity)], key, rules),
            reasons=of_span,
        )
        for (start, end, entity), of_span in zip(spans, assigned(spans, reasons), strict=True)
    )


def _spans(answer: Mapping[str, JSON], texts: Sequence[str], known: frozenset[str]) -> list[list[tuple[int, int, str]]]:
    """The spans of an answer, checked, because the child that gave it has read hostile text."""
    match answer.get("spans"):
        case list() as per_text if len(per_text) == len(texts):
            return [_checked(spans, len(text), known) for spans, text in zip(per_text, texts, strict=True)]
    raise _garbled()


def _checked(spans: JSON, length: int, known: frozenset[str]) -> list[tuple[int, int, str]]:
    checked: list[tuple[int, int, str]] = []
    done = 0
    for span in spans if isinstance(spans, list) else [None]:
        match span:
            case [int(start), int(end), str(entity)] if done <= start < end <= length and entity in known:
                checked.append((start, end, entity))
                done = end
            case _:
                raise _garbled()
    return checked


def _uncovered(answer: Mapping[str, JSON]) -> int:
    match answer.get("uncovered"):
        case int(passages) if passages >= 0:
            return passages
    raise _garbled()


def _garbled() -> QuarantineError:
    return QuarantineError(
        "The redaction process answered with spans that do not fit the texts.",
        reason="redaction_failed",
        stage="redact",
        mend="Report the document's format; nothing of it was kept.",
    )
