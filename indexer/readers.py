"""Further recognisers at work, in the process that finds spans: what a model marks, as entities of ours.

Nothing is downloaded, no model brings code of its own, and none is unpickled; GLiNER takes bare weights from a pickle.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path
from types import MappingProxyType
from typing import Any

from indexer.hunt import Finding
from indexer.upgrades import Upgrade

Read = Callable[[AbstractSet[str], str], list[Finding]]
"""Finds these entities in a text."""
_Mark = tuple[int, int, str, float]
_Marking = Callable[[str], Iterator[_Mark]]
"""What a model marks in a text: start, end, its own label, and its score. Where windows overlap, perhaps twice."""

LEAST = 0.3
"""Presidio's own threshold for both kinds of models that have scores."""
_SHOWN = 0.5  # as for the embedded recogniser: what is less sure is taken, and shown as this
_SPACY_SCORE = 0.85  # Presidio's own, because spaCy gives none
_SPACY_WINDOW, _SPACY_OVERLAP = 5000, 300  # characters
_GLINER_WINDOW, _GLINER_OVERLAP = 250, 50
"""Presidio's own. What is over a model's `max_len` words it leaves unread; no text has more words than characters."""
_MOST_TOKENS, _OVERLAP_TOKENS = 512, 32
_BOUND_ROWS = 2
"""So many positions RoBERTa and its kin keep for themselves."""
_PREFIXES = ["B-", "I-", "E-", "S-", "U-", "L-"]
_PARTS = re.compile(r"\S+(?:\s\S+)*")  # over more than one blank something else stood
_CUTTING = "\u0600"
"""Letters below, Latin, Greek and Cyrillic ones among them, make words with spaces between."""
_SAMPLE = "Anna Schmidt lives at 4 Long Lane, Leeds, and works for Northwind Ltd. "

_LABELS: Mapping[str, str] = MappingProxyType(
    {
        "PERSON": "PER PERS PERSON NAME FULLNAME PRIVATE_PERSON FIRSTNAME FIRST_NAME MIDDLENAME MIDDLE_NAME LASTNAME "
        "LAST_NAME GIVENNAME GIVEN_NAME SURNAME NOM PRENOM PATIENT DOCTOR STAFF PS",
        "LOCATION": "LOC LOCATION GPE FAC CITY VILLE COUNTY STATE COUNTRY LC",
        "ORGANIZATION": "ORG ORGANIZATION ORGANISATION COMPANY COMPANYNAME COMPANY_NAME HOSPITAL HOPITAL PATORG OG",
        "ADDRESS": "ADDRESS ADRESSE STREET STREETADDRESS STREET_ADDRESS PRIVATE_ADDRESS BUILDINGNUMBER BUILDINGNUM "
        "SECONDARYADDRESS ZIP ZIPCODE POSTCODE",
        "DATE_OF_BIRTH": "DATE_OF_BIRTH DATEOFBIRTH DOB DATE_NAISSANCE BIRTHDATE",
        "DATE": "DATE PRIVATE_DATE",
        "AGE": "AGE",
        "EMAIL_ADDRESS": "EMAIL EMAIL_ADDRESS PRIVATE_EMAIL MAIL",
        "PHONE_NUMBER": "PHONE PHONENUMBER PHONE_NUMBER PRIVATE_PHONE TELEPHONENUM TEL",
        "CREDIT_CARD": "CREDITCARDNUMBER CREDIT_CARD CREDIT_CARD_NUMBER CREDIT_DEBIT_CARD",
        "BANK_ACCOUNT": "ACCOUNTNUMBER ACCOUNT_NUMBER ACCOUNTNUM BANK_ACCOUNT",
        "IBAN_CODE": "IBAN IBAN_CODE",
        "PASSPORT": "PASSPORT PASSPORTNUM PASSPORT_NUMBER",
        "SECRET": "PASSWORD SECRET API_KEY",
    }
)
ENTITIES: Mapping[str, str] = MappingProxyType(
    {label: entity for entity, labels in _LABELS.items() for label in labels.split()}
)
"""By what a model calls them: the names of the usual corpora and of published models. Another name is not looked at."""
PROMPTS: Mapping[str, str] = MappingProxyType(
    {
        "person": "PERSON",
        "location": "LOCATION",
        "organization": "ORGANIZATION",
        "address": "ADDRESS",
        "date of birth": "DATE_OF_BIRTH",
    }
)
"""What GLiNER is asked for. As labels these are known as well."""


def load(upgrades: Sequence[Upgrade]) -> Read:
    """What all of these find together. Each has read once, and makes no thread.

    Raises:
        Exception: one of them does not load, or knows nothing that is redacted.
    """
    loaded = [(upgrade.kind, _LOADERS[upgrade.kind](upgrade.model)) for upgrade in upgrades]

    def read(entities: AbstractSet[str], text: str) -> list[Finding]:
        return [
            Finding(first, last, entity, min(max(score, _SHOWN), 1.0), kind)
            for kind, marking in loaded
            for start, end, label, score in marking(text)
            if (entity := entity_of(label)) and entity in entities
            for first, last in _parts(text, start, end)
        ]

    read(frozenset(), _SAMPLE * 40)
    _ensure_alone()
    return read


def entity_of(label: str) -> str | None:
    """The entity that a model's label stands for."""
    for prefix in _PREFIXES:
        label = label.removeprefix(prefix)
    return ENTITIES.get(re.sub(r"\W+", "_", label.upper()))


def _parts(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """A stretch without the blanks in and around it, grown to the letters that it would cut through."""
    for part in _PARTS.finditer(text, start, end):
        first, last = part.span()
        while first and _is_joined(text[first - 1 : first + 1]):
            first -= 1
        while _is_joined(text[last - 1 : last + 1]):
            last += 1
        yield first, last


def _is_joined(pair: str) -> bool:
    return len(pair) == len("ab") and max(pair) < _CUTTING and all(map(_is_of_a_word, pair))


def _is_of_a_word(character: str) -> bool:
    return character.isalnum() or unicodedata.combining(character) > 0


def _ensure_known(labels: Iterable[str]) -> None:
    if not any(map(entity_of, labels)):
        raise ValueError("no label of the model is known")


def _ensure_alone() -> None:
    """What runs beside this thread would not be confined with it."""
    tasks = Path("/proc/self/task")
    if tasks.is_dir() and len(list(tasks.iterdir())) > 1:
        raise RuntimeError("a model left a thread running")


def _windows(text: str, most: int, overlap: int) -> Iterator[tuple[int, str]]:
    """Stretches of at most `most` characters with where they begin, cut at a blank where there is one near.

    What is shorter than half of `overlap` stands whole in one of them.
    """
    start = 0
    while len(text) - start > most:
        end = _at_blank(text, start + most, overlap // 2)
        yield start, text[start:end]
        start = _at_blank(text, end - overlap // 2, overlap // 2)
    yield start, text[start:]


def _at_blank(text: str, at: int, reach: int) -> int:
    return next((place for place in range(at, at - reach, -1) if text[place].isspace()), at)


def _pipeline(model: str) -> _Marking:
    """A pipeline of spaCy's, from a folder or a package."""
    import spacy  # noqa: PLC0415 - loaded only where it is asked for, as all of these are

    pipeline = spacy.load(model)
    _ensure_known(label for labels in pipeline.pipe_labels.values() for label in labels)

    def marking(text: str) -> Iterator[_Mark]:
        for start, window in _windows(text, _SPACY_WINDOW, _SPACY_OVERLAP):
            for entity in pipeline(window).ents:
                yield start + entity.start_char, start + entity.end_char, entity.label_, _SPACY_SCORE

    return marking


def _classifier(folder: str) -> _Marking:
    """A token classifier of the Hugging Face library's. It cuts long texts into windows itself."""
    from transformers import AutoModelForTokenClassification, AutoTokenizer, pipeline  # noqa: PLC0415

    own = {"local_files_only": True, "trust_remote_code": False}
    model = AutoModelForTokenClassification.from_pretrained(folder, use_safetensors=True, **own)
    _ensure_known(model.config.id2label.values())
    tokenizer = AutoTokenizer.from_pretrained(folder, **own)
    positions = getattr(model.config, "max_position_embeddings", _MOST_TOKENS) - _BOUND_ROWS
    tokens = min(tokenizer.model_max_length, positions, _MOST_TOKENS)
    tokenizer.model_max_length = tokens
    classify: Callable[[str], list[dict[str, Any]]] = pipeline(
        "token-classification",
        model=model,
        tokenizer=tokenizer,
        device=-1,
        aggregation_strategy="simple",
        stride=min(_OVERLAP_TOKENS, tokens // 4),
    )

    def marking(text: str) -> Iterator[_Mark]:
        for found in classify(text) if text.strip() else ():
            if found["score"] >= LEAST:
                yield found["start"], found["end"], found["entity_group"], float(found["score"])

    return marking


def _prompted(folder: str) -> _Marking:
    """A model of GLiNER's."""
    from gliner import GLiNER  # noqa: PLC0415

    model = GLiNER.from_pretrained(folder, local_files_only=True, map_location="cpu")
    if model.config.max_len < _GLINER_WINDOW:
        raise ValueError("the model leaves words of a window unread")

    def marking(text: str) -> Iterator[_Mark]:
        for start, window in _windows(text, _GLINER_WINDOW, _GLINER_OVERLAP):
            for found in model.predict_entities(window, list(PROMPTS), threshold=LEAST) if window.strip() else ():
                yield start + found["start"], start + found["end"], found["label"], float(found["score"])

    return marking


_LOADERS: Mapping[str, Callable[[str], _Marking]] = MappingProxyType(
    {"spacy": _pipeline, "hf": _classifier, "gliner": _prompted}
)
