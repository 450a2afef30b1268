"""Replace personal data and secrets by pseudonyms that say what stood there and, under one key, what is the same."""

import hmac
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Protocol

from indexer.recognisers import ENTITIES, PROFILES
from indexer.recognisers.canonical import canonical
from indexer.sandbox import JSON, Sandbox
from indexer.versions import code_version
from policies.errors import QuarantineError, RefusedError

MIN_KEY_BYTES = 16
ADDRESS_SPACE_BYTES = 2 * 2**30
START_TIMEOUT_S = 60.0
MIN_TIMEOUT_S = 2.0  # chosen: a query takes 1 ms, but others use the processors too
TIMEOUT_PER_KB_S = 0.05  # chosen: more than ten times what ordinary text takes, twice the worst text tried

_PSEUDONYM_CHARACTERS = 20
_LETTERS = bytes.maketrans(b"0123456789abcdef", b"abcdefghijklmnop")


REFUSALS: Mapping[str, tuple[str, str]] = {
    "recogniser_failed": ("A recogniser gave up.", "Split the document, or report it."),
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
    """Texts as they may be kept, in the order given, and how many values of each entity were replaced in them."""

    texts: tuple[str, ...]
    counts: Mapping[str, int]


def detector() -> Sandbox:
    """The process that finds spans, with the limits that were measured for it. Its library is imported there only."""
    return Sandbox(
        "indexer.detect",
        stage="redact",
        address_space_bytes=ADDRESS_SPACE_BYTES,
        start_timeout_s=START_TIMEOUT_S,
        refusals=REFUSALS,
    )


class Redactor:
    """Redacts texts with what `detector` finds. `version` changes whenever the same text might come out differently."""

    def __init__(self, detector: Detector) -> None:
        self._detector = detector
        self.version = code_version(
            ["detect.py", "redact.py", "recognisers/*.py"], ["presidio-analyzer", "phonenumbers"]
        )

    def redact(self, texts: Sequence[str], *, key: bytes, profile: str, languages: Sequence[str]) -> Redacted:
        """`texts` with every value that `profile` covers replaced by `[ENTITY_<20 letters>]`.

        The letters are 80 bits of HMAC-SHA256 under `key` over the entity and the value's canonical spelling, so a
        value gets the same pseudonym in a document and in a query. Everything else is unchanged to the character, and
        redacting the result changes nothing. The texts of one document belong into one call, in order. The profile
        "none" returns the texts as they are.

        Raises:
            QuarantineError: stage `redact`; reason `redaction_timeout`, or `redaction_failed`, or the detector's own.
                Nothing of the texts may be kept.
            RefusedError: the key is too short or the profile unknown.
            DependencyError: the detector does not start; the texts were not looked at.
        """
        if len(key) < MIN_KEY_BYTES:
            raise RefusedError(
                f"A redaction key has at least {MIN_KEY_BYTES} bytes.", mend="Take the source's key from the keyring."
            )
        if profile not in PROFILES:
            raise RefusedError(f"No redaction profile {profile!r}.", mend=f"Use one of {', '.join(PROFILES)}.")
        if not PROFILES[profile]:
            return Redacted(texts=tuple(texts), counts={})
        timeout_s = max(MIN_TIMEOUT_S, 0.5 + TIMEOUT_PER_KB_S * sum(map(len, texts)) / 1000)
        request: dict[str, JSON] = {"texts": list(texts), "languages": list(languages), "profile": profile}
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
        counts: Counter[str] = Counter()
        replaced = tuple(
            _replace(text, spans, key, counts) for text, spans in zip(texts, _spans(answer, texts), strict=True)
        )
        return Redacted(texts=replaced, counts=dict(sorted(counts.items())))


def pseudonym(entity: str, value: str, *, key: bytes) -> str:
    """`[ENTITY_<20 letters>]`: letters only, so that it is one word to a lexicon and no number to a recogniser."""
    message = f"{entity}|{canonical(entity, value)}".encode(errors="surrogatepass")
    digest = hmac.new(key, message, sha256).hexdigest()[:_PSEUDONYM_CHARACTERS]
    return f"[{entity}_{digest.encode().translate(_LETTERS).decode()}]"


def _replace(text: str, spans: Sequence[tuple[int, int, str]], key: bytes, counts: Counter[str]) -> str:
    parts: list[str] = []
    done = 0
    for start, end, entity in spans:
        parts += (text[done:start], pseudonym(entity, text[start:end], key=key))
        counts[entity] += 1
        done = end
    return "".join((*parts, text[done:]))


def _spans(answer: Mapping[str, JSON], texts: Sequence[str]) -> list[list[tuple[int, int, str]]]:
    """The spans of an answer, checked, because the child that gave it has read hostile text."""
    match answer.get("spans"):
        case list() as per_text if len(per_text) == len(texts):
            return [_checked(spans, len(text)) for spans, text in zip(per_text, texts, strict=True)]
    raise _garbled()


def _checked(spans: JSON, length: int) -> list[tuple[int, int, str]]:
    checked: list[tuple[int, int, str]] = []
    done = 0
    for span in spans if isinstance(spans, list) else [None]:
        match span:
            case [int(start), int(end), str(entity)] if done <= start < end <= length and entity in ENTITIES:
                checked.append((start, end, entity))
                done = end
            case _:
                raise _garbled()
    return checked


def _garbled() -> QuarantineError:
    return QuarantineError(
        "The redaction process answered with spans that do not fit the texts.",
        reason="redaction_failed",
        stage="redact",
        mend="Report the document's format; nothing of it was kept.",
    )
