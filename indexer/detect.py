"""Find personal data and secrets in texts: the child's side of redaction. Holds no key and changes no text.

Presidio's engine runs a registry that is made here: our rules, which know their own context, those recognisers of
Presidio's that need none, and the tagger of `indexer.ner`. Nothing is downloaded.
"""

import logging
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Protocol

from pydantic import TypeAdapter

from indexer import languages
from indexer.absent import absent
from indexer.allowed import Allowed
from indexer.hunt import Finding, Further, Hunt, Span, Wanted, disjoint
from indexer.ner.recogniser import Known, read
from indexer.ner.tagger import LABELS, Tagger, tagger
from indexer.reasons import identify
from indexer.recognisers import ENTITIES, PROFILES, RULES, phone
from indexer.recognisers.fold import Folded, fold, folder
from indexer.recognisers.rule import CHECKED, Hit, Rule, context, shape
from indexer.rules import announcing
from indexer.sandbox import JSON, Handler
from indexer.upgrades import Upgrade, allowance_s
from indexer.upgrades import covered as covered_by
from policies.errors import QuarantineError
from policies.manifest import Pattern

# Six seconds of processor and half a gigabyte, for model libraries that Presidio takes in wherever it finds them. Those
# that a further recogniser needs are here already.
with absent("torch", "transformers", "stanza", "gliner"):
    from presidio_analyzer import (
        AnalyzerEngine,
        EntityRecognizer,
        LocalRecognizer,
        RecognizerRegistry,
        RecognizerResult,
    )
    from presidio_analyzer.context_aware_enhancers import ContextAwareEnhancer
    from presidio_analyzer.nlp_engine import NlpArtifacts, NoOpNlpEngine
    from presidio_analyzer.predefined_recognizers import CryptoRecognizer, IpRecognizer, MacAddressRecognizer


LANGUAGES = tuple(sorted(languages.COVERED))
"""The languages whose contexts the rules know."""
_THRESHOLD = 0.5

_PATTERNS = TypeAdapter(tuple[Pattern, ...])

_FINDER = "penstock_finder"

_CHECKED: Mapping[type[CryptoRecognizer | IpRecognizer | MacAddressRecognizer], re.Pattern[str]] = {
    CryptoRecognizer: re.compile(r"[13Bb][0-9A-Za-z]{25}"),
    IpRecognizer: re.compile(r"::|(?::[0-9A-Fa-f]{1,4}){6}|[0-9]\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]"),
    MacAddressRecognizer: re.compile(r"(?:[:-][0-9A-Fa-f]{2}){5}|\.[0-9A-Fa-f]{4}\."),
}
"""Presidio's recognisers that a checksum or a distinct shape makes sure, and what is in all that they find."""


class _Finder(Protocol):
    """What `Rule` and `International` have in common."""

    @property
    def entity(self) -> str: ...

    def find(self, text: str) -> Iterator[Hit]: ...


class _Recogniser(LocalRecognizer):
    """Our finders of one entity, as Presidio calls them."""

    def __init__(self, entity: str, finders: Sequence[_Finder], language: str) -> None:
        super().__init__(supported_entities=[entity], name=entity, supported_language=language)
        self._finders = [(identify(finder), finder) for finder in finders]

    def load(self) -> None:
        """Nothing to load."""

    def analyze(self, text: str, entities: list[str], nlp_artifacts: NlpArtifacts) -> list[RecognizerResult]:
        """Every value of the entity, each with a score over the threshold."""
        del entities, nlp_artifacts
        (entity,) = self.supported_entities
        return [
            RecognizerResult(entity, hit.start, hit.end, hit.score, recognition_metadata={_FINDER: name})
            for name, finder in self._finders
            for hit in finder.find(text)
        ]


class _Names(LocalRecognizer):
    """The tagger, as Presidio calls it."""

    def __init__(self, reader: Tagger, language: str) -> None:
        super().__init__(supported_entities=list(LABELS[1:]), name="names", supported_language=language)
        self._reader = reader

    def load(self) -> None:
        """Loaded already."""

    def analyze(self, text: str, entities: list[str], nlp_artifacts: NlpArtifacts) -> list[RecognizerResult]:
        """Every name of these entities, each with a score over the threshold."""
        del nlp_artifacts
        return [
            RecognizerResult(name.entity, name.start, name.end, max(name.score, _THRESHOLD))
            for name in read(self._reader, text, entities)
        ]


class _Gated(LocalRecognizer):
    """One of Presidio's recognisers, asked only where its gate, which is several times faster, is found."""

    def __init__(self, asked: LocalRecognizer, gate: re.Pattern[str]) -> None:
        super().__init__(
            asked.supported_entities, name=type(asked).__name__, supported_language=asked.supported_language
        )
        self._id = asked.id  # which its results bear
        self._asked = asked
        self._gate = gate

    def load(self) -> None:
        """Loaded already."""

    def analyze(self, text: str, entities: list[str], nlp_artifacts: NlpArtifacts) -> list[RecognizerResult]:
        """What the recogniser finds."""
        results: list[RecognizerResult] = (
            self._asked.analyze(text, entities, nlp_artifacts) if self._gate.search(text) else []
        )
        return results


class _NoEnhancer(ContextAwareEnhancer):
    """Leaves scores as they are: our rules look for their own context.

    Presidio's enhancer knows single words only, and its time grows with the square of the text.
    """

    def __init__(self) -> None:
        super().__init__(0, 0, 0, 0)

    def enhance_using_context(
        self,
        text: str,
        raw_results: list[RecognizerResult],
        nlp_artifacts: NlpArtifacts,
        recognizers: list[EntityRecognizer],
        context: list[str] | None = None,
    ) -> list[RecognizerResult]:
        """The results as they came."""
        del text, nlp_artifacts, recognizers, context
        return raw_results


class _Alarm(logging.Handler):
    """Makes an error of any warning of Presidio's: it warns, and goes on without, where a pattern runs out of time."""

    def emit(self, record: logging.LogRecord) -> None:
        """Raise, without the message, which may hold text."""
        raise QuarantineError(
            f"A recogniser gave up in {record.module}, line {record.lineno}.",
            reason="recogniser_failed",
            stage="redact",
            mend="Split the document, or report the recogniser's name.",
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class _Options:
    """What a source wants beside its profile: its own patterns, what it leaves, and how redacted text looks."""

    own: tuple[Rule, ...]
    allowed: Allowed
    special: re.Pattern[str]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Request:
    texts: list[str]
    language: str
    wanted: Wanted
    special: re.Pattern[str]
    is_explained: bool
    passes_other_languages: bool


@lru_cache(maxsize=64)
def _options(patterns: tuple[Pattern, ...], allow: tuple[str, ...], traces: tuple[str, ...]) -> _Options:
    own = tuple(map(_rule, patterns))
    known = ENTITIES | {rule.entity for rule in own}
    return _Options(own=own, allowed=Allowed.of(allow), special=folder(known, traces=traces))


def _rule(pattern: Pattern) -> Rule:
    phrases = map(announcing, pattern.context)
    return Rule(
        entity=pattern.entity,
        pattern=shape(pattern.regex),
        score=pattern.score or CHECKED,  # who has numbers of his own knows them best
        context=context(*phrases) if pattern.context else None,
    )


def prepare(*upgrades: str) -> Handler:
    """A handler that answers `{"texts", "languages", "profile"}` with `{"spans", "uncovered"}`.

    The keys `also`, `keep`, `allow`, `patterns` and `other_languages` are those of a manifest, `traces` says which of
    `opaque` and `mask` take the place of values.

    Spans are lists of [start, end, entity] per text, sorted and disjoint, in characters of the text as given. The
    texts of one document belong into one call, in order: a context at the end of one announces a value in the next, and
    a value that begins at the end of one and ends in the next is a span of each. `uncovered` is how many passages are
    in a language that is not covered, which only `other_languages` of "patterns" lets pass.

    `upgrades` are further recognisers, as `Upgrade.parse` takes them. They read what the tagger reads, and the
    languages that they cover are covered. What they load must have been imported before this module was.

    Where `"explain"` is true it answers `"findings"` too: per text, in no order, what the spans were made of, as lists
    of [start, end, entity, score or null, finder].
    """
    reader = tagger()
    phone.load()
    further = [Upgrade.parse(upgrade) for upgrade in upgrades]
    covered = languages.COVERED | covered_by(further)
    engine = _engine(reader, sorted(covered))
    for language in LANGUAGES:
        engine.analyze("Ann Lee, 1 May", language)  # makes what the first call makes
    find = _further(further)

    def handle(header: dict[str, JSON], body: bytes) -> Mapping[str, JSON]:
        del body
        request = _request(header, covered)
        uncovered = languages.uncovered(request.texts, covered)
        if uncovered and not request.passes_other_languages:
            raise _not_covered()
        folded = [fold(text, request.special) for text in request.texts]
        analyse = partial(_analyse, engine, request.language)
        more = None
        if find:
            spelt = [one.spelt(own) for one, own in zip(folded, request.texts, strict=True)]
            cpu_s = allowance_s(further, request.texts)
            more = Further(spelt=spelt, find=partial(find, request.wanted.entities), cpu_s=cpu_s)
        hunt = Hunt([one.text for one in folded], request.wanted, analyse, Known(reader), more)
        hunt.run()
        spans = [_origins(one, hidden) for one, hidden in zip(folded, hunt.spans, strict=True)]
        answer: dict[str, JSON] = {"spans": spans, "uncovered": uncovered.total()}
        if request.is_explained:
            made_of = zip(folded, hunt.findings, strict=True)
            answer["findings"] = [[[*one.origin(*each[:2]), *each[2:]] for each in found] for one, found in made_of]
        return answer

    return handle


def _further(upgrades: Sequence[Upgrade]) -> Callable[[AbstractSet[str], str], list[Finding]] | None:
    if not upgrades:
        return None
    from indexer import readers  # noqa: PLC0415 - takes in model libraries, which a process without models does without

    return readers.load(upgrades)


def _origins(folded: Folded, spans: list[Span]) -> JSON:
    origins = disjoint((*folded.origin(start, end), entity) for start, end, entity in spans)
    return [[start, end, entity] for start, end, entity in origins]


def _analyse(engine: AnalyzerEngine, language: str, text: str, entities: list[str]) -> list[Finding]:
    results = engine.analyze(text, language, entities=entities)
    return [Finding(one.start, one.end, one.entity_type, float(one.score), _finder(one)) for one in results]


def _finder(result: RecognizerResult) -> str:
    metadata = result.recognition_metadata
    return str(metadata.get(_FINDER) or metadata[RecognizerResult.RECOGNIZER_NAME_KEY])


def _request(header: Mapping[str, JSON], covered: AbstractSet[str]) -> _Request:
    match header:
        case {"texts": list(items), "languages": [str(language), *others], "profile": str(profile)}:
            texts = [item for item in items if isinstance(item, str)]
            if len(texts) == len(items) and {language, *others} <= covered and profile in PROFILES:
                options = _options(_patterns(header), _strings(header, "allow"), _strings(header, "traces"))
                own = {rule.entity for rule in options.own}
                entities = PROFILES[profile] | own | {*_strings(header, "also")}
                if entities <= ENTITIES | own:
                    left = entities - {*_strings(header, "keep")}
                    return _Request(
                        texts=texts,
                        language=language,
                        wanted=Wanted(entities=left, own=options.own, allowed=options.allowed),
                        special=options.special,
                        is_explained=header.get("explain") is True,
                        passes_other_languages=header.get("other_languages") == "patterns",
                    )
    raise QuarantineError(
        "No recogniser covers these languages or this profile.",
        reason="redaction_not_covered",
        stage="redact",
        mend=f"Name languages out of {', '.join(sorted(covered))} and a profile out of {', '.join(PROFILES)}.",
    )


def _not_covered() -> QuarantineError:
    return QuarantineError(
        "A part is in a language or script whose names no recogniser reads.",
        reason="language_not_covered",
        stage="redact",
        mend="Leave it out, or let patterns do with `other_languages: patterns` in the manifest.",
    )


def _strings(header: Mapping[str, JSON], key: str) -> tuple[str, ...]:
    values = header.get(key, [])
    return tuple(map(str, values)) if isinstance(values, list) else ()


def _patterns(header: Mapping[str, JSON]) -> tuple[Pattern, ...]:
    return _PATTERNS.validate_python(header.get("patterns", ()))


def _engine(reader: Tagger, languages: list[str]) -> AnalyzerEngine:
    logger = logging.getLogger("presidio-analyzer")
    logger.handlers, logger.propagate = [_Alarm(level=logging.WARNING)], False
    logger.setLevel(logging.WARNING)  # what it says below is said with the text
    nothing = NoOpNlpEngine(models=[{"lang_code": language, "model_name": "none"} for language in languages])
    recognisers = [recogniser for language in languages for recogniser in _recognisers(language, reader)]
    return AnalyzerEngine(
        registry=RecognizerRegistry(recognizers=recognisers, supported_languages=languages),
        nlp_engine=nothing,
        context_aware_enhancer=_NoEnhancer(),
        default_score_threshold=_THRESHOLD,
        supported_languages=languages,
    )


def _recognisers(language: str, reader: Tagger) -> Iterator[EntityRecognizer]:
    yield _Names(reader, language)
    finders: defaultdict[str, list[_Finder]] = defaultdict(list)
    for finder in RULES:
        finders[finder.entity].append(finder)
    for entity, of_entity in finders.items():
        yield _Recogniser(entity, of_entity, language)
    for checked, gate in _CHECKED.items():
        yield _Gated(checked(supported_language=language), gate)
