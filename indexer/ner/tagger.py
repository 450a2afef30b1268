"""The tagger: a small convolutional network over words, run by numpy alone."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from io import BytesIO
from zlib import crc32

import numpy as np

from indexer.ner.words import LISTS, NEW_LINE, Array, Words, folded, spans
from policies.errors import IntegrityError

LABELS = ("", "PERSON", "LOCATION", "ORGANIZATION", "ADDRESS")
"""What a word is part of; the first: of no name."""
DILATIONS = (1, 2, 4, 8, 1)
"""How far apart the three words are that each layer looks at. Together a word's label hangs on 16 to each side."""
REACH = sum(DILATIONS)
WINDOW = 1024
"""Words at once. The result does not hang on it: windows overlap by what a label hangs on."""
WEIGHTS = "weights.npz"
SHA256 = "f9c7a8c30c944b4c83d4a5999a18fa0ed10bf71debac130ced774858aa71f458"
_EPSILON = 1e-5


@dataclass(frozen=True, kw_only=True, slots=True)
class Name:
    """A name in a text, by characters, with the mean probability of its words."""

    start: int
    end: int
    entity: str
    score: float


class Tagger:
    """Finds names. `weights` holds the tables and layers that training made, see `train`."""

    def __init__(self, weights: Mapping[str, Array]) -> None:
        self._weights = {name: value.astype(np.float32) for name, value in weights.items() if name not in LISTS}
        self._words = Words(tuple(frozenset(weights[name].tolist()) for name in LISTS))

    def is_sure(self, word: str, *, alone: bool) -> bool:
        """Whether a word of a person's name means that person wherever it stands.

        Not where it is a word of the language or a place as well. One that was all of a name must be in a list.
        """
        code = crc32(folded(word).encode(errors="surrogatepass"))
        first, last, place, common = (code in words for words in self._words.lists)
        return not common and not place and (first or last or not alone)

    def is_named(self, word: str) -> bool:
        """Whether a word is in a list of people's names."""
        code = crc32(folded(word).encode(errors="surrogatepass"))
        return any(code in words for words in self._words.lists[:2])

    def names(self, text: str, *, least: Mapping[str, float]) -> Iterator[Name]:
        """The names in a text, in order, whose words have at least this probability, by entity.

        Where two entities reach theirs the likelier one is taken. Line breaks end a name.
        """
        places = spans(text)
        if not places:
            return
        probabilities = self.probabilities(text, places)
        bounds = np.array([2.0, *(least.get(entity, 2.0) for entity in LABELS[1:])], np.float32)
        reached = np.where(probabilities >= bounds, probabilities, 0.0)
        labels = np.where(reached.max(axis=1) > 0, reached.argmax(axis=1), 0)
        for first, last, label in _runs(labels, text, places):
            score = float(probabilities[first:last, label].mean())
            yield Name(start=places[first][0], end=places[last - 1][1], entity=LABELS[label], score=score)

    def probabilities(self, text: str, places: Sequence[tuple[int, int]]) -> Array:
        """The probability of each label for each word of a text: float32 of shape (words, labels)."""
        parts = []
        for start in range(0, len(places), WINDOW):
            first = max(start - REACH, 0)
            found = self._forward(self._words.numbers(text, places[first : start + WINDOW + REACH]))
            parts.append(found[start - first : start - first + WINDOW])
        return np.concatenate(parts)

    def _forward(self, numbers: Array) -> Array:
        weights = self._weights
        states = weights["word"][numbers[:, 0]] + weights["word"][numbers[:, 1]]
        for column, table in enumerate(("prefix", "suffix", "shape", "list", "space"), start=2):
            states += weights[table][numbers[:, column]]
        states = _normal(states, weights["norm_in"], weights["norm_in_bias"])
        for layer, dilation in enumerate(DILATIONS):
            near = np.zeros((len(states), 3 * states.shape[1]), np.float32)
            width = states.shape[1]
            near[dilation:, :width] = states[:-dilation]
            near[:, width : 2 * width] = states
            near[:-dilation, 2 * width :] = states[dilation:]
            mixed = near @ weights[f"layer{layer}"] + weights[f"layer{layer}_bias"]
            gate = 1.0 / (1.0 + np.exp(-np.clip(mixed[:, width:], -30, 30)))
            states = _normal(states + mixed[:, :width] * gate, weights[f"norm{layer}"], weights[f"norm{layer}_bias"])
        scores = states @ weights["out"] + weights["out_bias"]
        scores = np.exp(scores - scores.max(axis=1, keepdims=True))
        found: Array = scores / scores.sum(axis=1, keepdims=True)
        return found


@cache
def tagger() -> Tagger:
    """The tagger of the package, read once.

    Raises:
        IntegrityError: its weights are not the ones that were shipped.
    """
    content = files("indexer.ner").joinpath(WEIGHTS).read_bytes()
    if hashlib.sha256(content).hexdigest() != SHA256:
        raise IntegrityError(f"{WEIGHTS} is not what was shipped.", mend="Install Penstock again.")
    with np.load(BytesIO(content), allow_pickle=False) as weights:
        return Tagger(dict(weights))


def _normal(states: Array, scale: Array, shift: Array) -> Array:
    states = states - states.mean(axis=1, keepdims=True)
    spread = np.sqrt((states * states).mean(axis=1, keepdims=True) + _EPSILON)
    normal: Array = states / spread * scale + shift
    return normal


def _runs(labels: Array, text: str, places: list[tuple[int, int]]) -> Iterator[tuple[int, int, int]]:
    """Runs of one label within a line, less the signs at their ends: first word, one past the last, label."""
    starts = np.flatnonzero(labels)
    done = 0
    for first in starts.tolist():
        if first < done:
            continue
        label, last = int(labels[first]), first
        while last < len(labels) and labels[last] == label and text[places[last][0]] != NEW_LINE:
            last += 1
        done = max(last, first + 1)
        end = last
        while end > first and not text[places[end - 1][0]].isalnum() and text[places[end - 1][0]] != ".":
            end -= 1
        begin = first
        while begin < end and not text[places[begin][0]].isalnum():
            begin += 1
        if begin < end and any(text[places[word][0]].isalpha() for word in range(begin, end)):
            yield begin, end, label
