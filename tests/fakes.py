"""Small stand-ins that pass the same contract tests as what they stand for."""

import hashlib
import re
from collections.abc import Sequence

import numpy as np

from indexer.embed import EmbedderIdentity, Vectors, unit

_WORD = re.compile(r"\w+")


class HashEmbedder:
    """Embeds in microseconds: texts that share words are near each other, others are nearly orthogonal."""

    identity = EmbedderIdentity(
        name="hash-of-words", sha256="0" * 64, backend="numpy", precision="fp32", dim=384, max_tokens=256
    )

    def embed_document(self, texts: Sequence[str]) -> Vectors:
        vectors = np.empty((len(texts), self.identity.dim), dtype=np.float32)
        for row, text in enumerate(texts):
            vectors[row] = self.embed_query(text)
        return vectors

    def embed_query(self, text: str) -> Vectors:
        words = _WORD.findall(text.casefold())[: self.identity.max_tokens - 2]
        directions = [_direction(word, self.identity.dim) for word in words or [""]]
        return unit(np.sum(directions, axis=0, dtype=np.float32))


def count_words(texts: Sequence[str]) -> list[int]:
    """A token counter whose tokens are words and punctuation marks."""
    return [len(re.findall(r"\w+|[^\w\s]", text)) for text in texts]


def _direction(word: str, dim: int) -> Vectors:
    seed = int.from_bytes(hashlib.sha256(word.encode("utf-8", "surrogatepass")).digest()[:8], "big")
    return np.random.default_rng(seed).standard_normal(dim, dtype=np.float32)
