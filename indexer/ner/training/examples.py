"""Examples to learn from: running text with the label of every character's word."""

import random
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from indexer.ner.tagger import LABELS
from indexer.ner.training.corpora import Sentence
from indexer.ner.training.invented import END, ENTITY_OF, NAME, Inventor
from indexer.ner.words import spans
from indexer.recognisers.fold import BLANK

BLANKED = 0.15
"""How often some names of an example are redacted already."""
_SLOT = re.compile(r"\{(\w+)\}")
_PLAIN = str.maketrans("’‘“”–—", "''\"\"--")
_NO_SPACE_BEFORE = frozenset(".,;:!?)]}%'’…")
_NO_SPACE_AFTER = frozenset("([{#$£@'’")


@dataclass(frozen=True, kw_only=True, slots=True)
class Example:
    """A text, and the label of each of its words as `words.spans` cuts it."""

    text: str
    labels: tuple[int, ...]


class Marked:
    """A text that grows with its labels."""

    def __init__(self) -> None:
        self.text = ""
        self._entities: list[tuple[int, int, str]] = []

    def add(self, text: str, entity: str = "") -> None:
        """Append a text that is, as a whole, of an entity or none."""
        if entity:
            self._entities.append((len(self.text), len(self.text) + len(text), entity))
        self.text += text

    def example(self, chance: random.Random, *, blanked: float) -> Example:
        """The text with its words' labels; each name is redacted already with the probability `blanked`."""
        text, kept = self.text.translate(_PLAIN), []
        for start, end, entity in self._entities:
            if chance.random() < blanked:
                text = text[:start] + BLANK * (end - start) + text[end:]
            else:
                kept.append((start, end, entity))
        return labelled(text, kept)


def labelled(text: str, entities: Sequence[tuple[int, int, str]]) -> Example:
    """An example of a text whose entities are given by characters, in order."""
    labels = []
    at = 0
    for start, end in spans(text):
        while at < len(entities) and entities[at][1] <= start:
            at += 1
        within = at < len(entities) and entities[at][0] < end
        labels.append(LABELS.index(entities[at][2]) if within else 0)
    return Example(text=text, labels=tuple(labels))


class Writer:
    """Writes examples. All chance comes from `chance`."""

    def __init__(self, chance: random.Random, inventor: Inventor) -> None:
        self._chance = chance
        self._inventor = inventor

    def of_template(self, template: str, language: str) -> Example:
        """A template with its slots filled."""
        marked, done = Marked(), 0
        template = template.replace("\\n", "\n")
        for match in _SLOT.finditer(template):
            marked.add(template[done : match.start()])
            self._add(marked, match[1], language)
            done = match.end()
        marked.add(template[done:])
        return self._varied(marked.example(self._chance, blanked=self._blanked()), language)

    def of_plain(self, text: str) -> Example:
        """A text without names."""
        return labelled(text.translate(_PLAIN), [])

    def of_sentence(self, sentence: Sentence, language: str, *, swap: float) -> Example:
        """A sentence of a corpus, in which every name is another with the probability `swap`."""
        marked, at = Marked(), 0
        while at < len(sentence):
            word, entity = sentence[at]
            end = at + 1
            while entity and end < len(sentence) and sentence[end][1] == entity:
                end += 1
            if at and self._is_spaced(sentence[at - 1][0], word):
                marked.add(" ")
            words = [one for one, _ in sentence[at:end]]
            if entity and self._chance.random() < swap and any(one[:1].isupper() for one in words):
                self._swap(marked, words, entity, language)
            else:
                marked.add(self._joined(words), entity)
            at = end
        return self._varied(marked.example(self._chance, blanked=self._blanked()), language)

    def _add(self, marked: Marked, slot: str, language: str) -> None:
        value = self._inventor.value(slot, language)
        before, start, rest = value.partition(NAME)
        if not start:
            marked.add(value, ENTITY_OF.get(slot, ""))
            return
        name, _, after = rest.partition(END)
        marked.add(before)
        marked.add(name, ENTITY_OF[slot])
        marked.add(after)

    def _swap(self, marked: Marked, words: Sequence[str], entity: str, language: str) -> None:
        if entity == "PERSON":
            slot = "person" if len(words) > 1 else self._chance.choice(("first", "last", "last"))
        elif entity == "LOCATION":
            slot = self._chance.choice(("city", "city", "country", "region", "place"))
        else:
            slot = "org"
        marked.add(self._inventor.value(slot, language), entity)

    def _blanked(self) -> float:
        return self._chance.choice((0.3, 0.7)) if self._chance.random() < BLANKED else 0.0

    def _joined(self, words: Sequence[str]) -> str:
        text = words[0]
        for before, word in pairwise(words):
            text += (" " if self._is_spaced(before, word) else "") + word
        return text

    def _is_spaced(self, before: str, word: str) -> bool:
        return word[:1] not in _NO_SPACE_BEFORE and before[-1:] not in _NO_SPACE_AFTER

    def _varied(self, example: Example, language: str) -> Example:
        """The example as it is, or as careless writers, forms and old systems have it."""
        text, kinds = example.text, {"upper": 5, "title": 0 if any(example.labels) else 2, "lower": 2}
        kinds |= {"unaccented": 6 if language == "fr" else 1}
        match self._chance.choices([*kinds, ""], [*kinds.values(), 100 - sum(kinds.values())])[0]:
            case "upper":
                text = text.upper()
            case "title":
                text = text.title()
            case "lower":
                text = text.lower()
            case "unaccented":
                text = "".join(one for one in unicodedata.normalize("NFD", text) if not unicodedata.combining(one))
            case _:
                return example
        # Only where the words are still the same ones.
        return Example(text=text, labels=example.labels) if len(spans(text)) == len(example.labels) else example


def templates(path: Path) -> list[str]:
    """The templates of a file, less its comments."""
    lines = path.read_text("utf-8").splitlines()
    return [line for line in lines if line.strip() and not line.startswith("#")]


def chained(examples: Sequence[Example], chance: random.Random, *, most: int) -> Iterator[Example]:
    """Examples in chains of one to four, so that the tagger sees where sentences meet."""
    at = 0
    while at < len(examples):
        number = chance.choice((1, 1, 2, 3, 4))
        chain = examples[at : at + number]
        joints = [chance.choice((" ", " ", "\n", "\n\n")) for _ in chain]
        text, labels = "", []
        for example, joint in zip(chain, joints, strict=True):
            if text:
                text += joint
                labels += [0] * joint.count("\n")
            text += example.text
            labels += example.labels
        at += number
        if len(labels) == len(spans(text)) and len(labels) <= most:
            yield Example(text=text, labels=tuple(labels))
        else:
            yield from (one for one in chain if len(one.labels) <= most)
