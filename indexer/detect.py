"""Find personal data and secrets in texts: the child's side of redaction. Holds no key and changes no text.

Presidio's engine runs a registry that is made here: our rules, which know their own context, and those recognisers of
Presidio's that need none. No language model is loaded and nothing is downloaded. A recogniser of names joins by
being registered in `_recognisers`.
"""

import logging
import re
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Protocol

from presidio_analyzer import AnalyzerEngine, EntityRecognizer, LocalRecognizer, RecognizerRegistry, RecognizerResult
from presidio_analyzer.context_aware_enhancers import ContextAwareEnhancer
from presidio_analyzer.nlp_engine import NlpArtifacts, NoOpNlpEngine
from presidio_analyzer.predefined_recognizers import CryptoRecognizer, IpRecognizer, MacAddressRecognizer

from indexer.recognisers import ENTITIES, LONG_TOKEN, PROFILES, RULES, lines
from indexer.recognisers.fold import BLANK, BREAK, fold, folder
from indexer.recognisers.rule import REACH_CHARACTERS, Hit
from indexer.sandbox import JSON, Handler
from policies.errors import QuarantineError

LANGUAGES = ("en", "fr")
"""The languages whose contexts the rules know."""
MAX_RUN_CHARACTERS = 254
"""A longer run without a space is redacted whole. No address is longer (RFC 5321, section 4.5.3.1.3), and the time of
some patterns grows with the square of it: at 40,000 characters Presidio's own e-mail pattern takes over a minute."""
MAX_PASSES = 6  # chosen: none of 529 real texts needed more than two
CONTEXT_CHARACTERS = 2 * REACH_CHARACTERS
"""How far before a text what announces a value in it may begin: the reach, and the words themselves."""
_THRESHOLD = 0.5

_BETWEEN = f"\n{BREAK}\n"
# Thai, Lao, Burmese, Khmer, Chinese and Japanese put no spaces between words.
_RUN = re.compile(
    rf"[^\s{BLANK}{BREAK}\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u9fff]{{{MAX_RUN_CHARACTERS + 1},}}"
)
_RULE_OFF = re.compile(r"([^\w\s])\1{7,}")  # a ruled line, or the dots of a table of contents

Span = tuple[int, int, str]


class _Finder(Protocol):
    """What `Rule` and `International` have in common."""

    @property
    def entity(self) -> str: ...

    def find(self, text: str) -> Iterator[Hit]: ...


class _Recogniser(LocalRecognizer):
    """Our finders of one entity, as Presidio calls them."""

    def __init__(self, entity: str, finders: Sequence[_Finder], language: str) -> None:
        super().__init__(supported_entities=[entity], name=entity, supported_language=language)
        self._finders = finders

    def load(self) -> None:
        """Nothing to load."""

    def analyze(self, text: str, entities: list[str], nlp_artifacts: NlpArtifacts) -> list[RecognizerResult]:
        """Every value of the entity, each with a score over the threshold."""
        del entities, nlp_artifacts
        (entity,) = self.supported_entities
        return [
            RecognizerResult(entity_type=entity, start=hit.start, end=hit.end, score=hit.score)
            for finder in self._finders
            for hit in finder.find(text)
        ]


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


def prepare() -> Handler:
    """A handler that answers `{"texts", "languages", "profile"}` with `{"spans"}`.

    Spans are lists of [start, end, entity] per text, sorted and disjoint, in characters of the text as given. The
    texts of one document belong into one call, in order: a context at the end of one announces a value in the next, and
    a value that begins at the end of one and ends in the next is a span of each.
    """
    engine = _engine()
    special = folder(ENTITIES)

    def handle(header: dict[str, JSON], body: bytes) -> Mapping[str, JSON]:
        del body
        texts, language, entities = _request(header)
        folded = [fold(text, special) for text in texts]
        found = _search(engine, [own.text for own in folded], language, entities)
        answer: list[JSON] = []
        for own, spans in zip(folded, found, strict=True):
            origins = [(*own.origin(start, end), entity) for start, end, entity in spans]
            answer.append([[start, end, entity] for start, end, entity in _disjoint(origins)])
        return {"spans": answer}

    return handle


def _request(header: Mapping[str, JSON]) -> tuple[list[str], str, frozenset[str]]:
    match header:
        case {"texts": list(items), "languages": [str(language), *others], "profile": str(profile)}:
            texts = [item for item in items if isinstance(item, str)]
            if len(texts) == len(items) and {language, *others} <= set(LANGUAGES) and profile in PROFILES:
                return texts, language, PROFILES[profile]
    raise QuarantineError(
        "No recogniser covers these languages or this profile.",
        reason="redaction_not_covered",
        stage="redact",
        mend=f"Name languages out of {', '.join(LANGUAGES)} and a profile out of {', '.join(PROFILES)}.",
    )


def _engine() -> AnalyzerEngine:
    logger = logging.getLogger("presidio-analyzer")
    logger.handlers, logger.propagate = [_Alarm(level=logging.WARNING)], False
    logger.setLevel(logging.WARNING)  # what it says below is said with the text
    languages = list(LANGUAGES)
    nothing = NoOpNlpEngine(models=[{"lang_code": language, "model_name": "none"} for language in languages])
    recognisers = [recogniser for language in languages for recogniser in _recognisers(language)]
    return AnalyzerEngine(
        registry=RecognizerRegistry(recognizers=recognisers, supported_languages=languages),
        nlp_engine=nothing,
        context_aware_enhancer=_NoEnhancer(),
        default_score_threshold=_THRESHOLD,
        supported_languages=languages,
    )


def _recognisers(language: str) -> Iterator[EntityRecognizer]:
    finders: defaultdict[str, list[_Finder]] = defaultdict(list)
    for finder in RULES:
        finders[finder.entity].append(finder)
    for entity, of_entity in finders.items():
        yield _Recogniser(entity, of_entity, language)
    for checked in (CryptoRecognizer, IpRecognizer, MacAddressRecognizer):
        yield checked(supported_language=language)


def _search(engine: AnalyzerEngine, texts: list[str], language: str, entities: frozenset[str]) -> list[list[Span]]:
    """The spans in each of these folded texts.

    What is found is blanked out, and a text in which something was found is looked at again, until nothing more is
    found, and then all are looked at for values over two lines: what is left is what a second redaction would see, so
    that it finds nothing.
    """
    wanted = sorted(entities - {LONG_TOKEN})
    found = [list(_long_tokens(text)) for text in texts]
    texts = [_blank(text, spans) for text, spans in zip(texts, found, strict=True)]
    everywhere = pending = list(range(len(texts)))
    for _ in range(MAX_PASSES):
        places = _with_context(texts, pending)
        stream = _BETWEEN.join(texts[place] for place in places)
        results = engine.analyze(stream, language, entities=wanted)
        if not results:
            places, stream = everywhere, _BETWEEN.join(texts)
            results = [RecognizerResult(entity, *hit) for entity, hit in lines.find(stream, entities)]
        if not results:
            return found
        spans = _by_text(_disjoint(_best_first(stream, results)), [len(texts[place]) for place in places])
        for place, new in zip(places, spans, strict=True):
            found[place] += new
            texts[place] = _blank(texts[place], new)
        pending = [place for place, new in zip(places, spans, strict=True) if new]
    raise QuarantineError(
        "Redaction does not come to an end.", reason="redaction_endless", stage="redact", mend="Split the document."
    )


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


def _best_first(stream: str, results: Iterable[RecognizerResult]) -> list[Span]:
    """The results, surest and longest first, each grown to the letters and digits it would cut through."""
    ordered = sorted(results, key=lambda result: (-result.score, result.start - result.end, result.entity_type))
    return [(*_whole(stream, result.start, result.end), result.entity_type) for result in ordered]


def _whole(stream: str, start: int, end: int) -> tuple[int, int]:
    while start and _is_joined(stream[start - 1 : start + 1]):
        start -= 1
    while _is_joined(stream[end - 1 : end + 1]):
        end += 1
    return start, end


def _is_joined(pair: str) -> bool:
    return len(pair) == len("ab") and pair.isascii() and pair.isalnum()


def _disjoint(spans: Iterable[Span]) -> list[Span]:
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


def _by_text(spans: Iterable[Span], lengths: Sequence[int]) -> list[list[Span]]:
    """The spans of a stream by text, in the text's offsets; one over the end of a text in two parts."""
    starts = list(accumulate((length + len(_BETWEEN) for length in lengths[:-1]), initial=0))
    found: list[list[Span]] = [[] for _ in lengths]
    for start, end, entity in spans:
        for place in range(bisect_right(starts, start) - 1, bisect_left(starts, end)):
            within = max(start - starts[place], 0), min(end - starts[place], lengths[place])
            found[place].append((*within, entity))
    return found
