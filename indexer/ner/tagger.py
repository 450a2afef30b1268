"""The tagger: a small convolutional network over words, run by numpy alone."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from secrets import token_bytes
from zlib import crc32

import numpy as np

from indexer.arrays import unpacked
from indexer.ner.words import COLUMNS, LISTS, NEW_LINE, Array, Words, folded, spans
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
_EPSILON = np.float32(1e-5)
# Odd ones, and not the same in two processes, so that no text can be made to look like another.
_OF_COLUMNS, _OF_WORDS = (
    np.frombuffer(token_bytes(8 * factors), np.uint64) | np.uint64(1) for factors in (COLUMNS, 2 * REACH + 1)
)


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
        # Keys and probabilities of the text before; one that stands for no word, so that there always is one.
        self._last = np.zeros(1, np.uint64), np.zeros((1, len(LABELS)), np.float32)

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
        """The probability of each label for each word of a text: float32 of shape (words, labels).

        Of a text that is read again with some of its values hidden, only what stands near these is worked out.
        """
        numbers = self._words.numbers(text, places)
        keys = _keys(numbers)
        last_keys, last_found = self._last
        order = np.argsort(last_keys)
        same = order[np.searchsorted(last_keys, keys, sorter=order) % len(order)]
        is_new = last_keys[same] != keys
        found = last_found[same]
        if is_new.any():
            is_near = _near(is_new)
            found[is_new] = self._in_windows(numbers[is_near])[is_new[is_near]]
        self._last = keys, found
        return found

    def _in_windows(self, numbers: Array) -> Array:
        parts = []
        for start in range(0, len(numbers), WINDOW):
            first = max(start - REACH, 0)
            found = self._forward(numbers[first : start + WINDOW + REACH])
            parts.append(found[start - first : start - first + WINDOW])
        return np.concatenate(parts)

    def _forward(self, numbers: Array) -> Array:
        weights = self._weights
        states = weights["word"][numbers[:, 0]]
        for column, table in enumerate(("word", "prefix", "suffix", "shape", "list", "space"), start=1):
            states += weights[table][numbers[:, column]]
        _normalise(states, weights["norm_in"], weights["norm_in_bias"])
        width = states.shape[1]
        near = np.empty((len(states), 3 * width), np.float32)
        for layer, dilation in enumerate(DILATIONS):
            near[:dilation, :width] = near[-dilation:, 2 * width :] = 0.0
            near[dilation:, :width] = states[:-dilation]
            near[:, width : 2 * width] = states
            near[:-dilation, 2 * width :] = states[dilation:]
            mixed = near @ weights[f"layer{layer}"]
            mixed += weights[f"layer{layer}_bias"]
            states += _gated(mixed[:, :width], mixed[:, width:])
            _normalise(states, weights[f"norm{layer}"], weights[f"norm{layer}_bias"])
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
    return Tagger(unpacked(content))


def _keys(numbers: Array) -> Array:
    """A number for each word and those that its label hangs on: two are the same where all of these are."""
    words = np.zeros(len(numbers) + 2 * REACH, np.uint64)
    words[REACH : REACH + len(numbers)] = numbers.astype(np.uint64) @ _OF_COLUMNS + _OF_WORDS[0]
    keys = np.zeros(len(numbers), np.uint64)
    for step, factor in enumerate(_OF_WORDS):
        keys += factor * words[step : step + len(numbers)]
    return keys


def _near(chosen: Array) -> Array:
    """Which words are chosen, or hang together with one that is."""
    near = np.zeros(len(chosen) + 2 * REACH, np.bool_)
    for step in range(2 * REACH + 1):
        near[step : step + len(chosen)] |= chosen
    return near[REACH : REACH + len(chosen)]


# From here on arrays are changed where they are: to make new ones took longer than to fill them.
def _gated(values: Array, gates: Array) -> Array:
    """The values, each times the sigmoid of its gate."""
    np.clip(gates, -30, 30, out=gates)
    np.negative(gates, out=gates)
    np.exp(gates, out=gates)
    gates += 1.0
    values /= gates
    return values


def _normalise(states: Array, scale: Array, shift: Array) -> None:
    states -= states.mean(axis=1, keepdims=True)
    spread = np.einsum("ij,ij->i", states, states) / states.shape[1] + _EPSILON
    states /= np.sqrt(spread)[:, None]
    states *= scale
    states += shift


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
