"""What is sealed under a document's key: its description, and the text and vector of each passage."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from indexer.keyring import KeyId
from indexer.seal import Key, seal, unseal

VAULT_BLOCK_BYTES = 512
"""Chosen: the length of a sealed vault tells only in how many such blocks its values fit, not how long a name is."""
VECTOR_DTYPE = np.dtype("<f2")
"""Vectors are kept as half floats, little-endian: what the search index scans, bit for bit."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Description:
    """Who a document is. `origin_id` and `name` are as the origin has them, `uri` and `title` are redacted."""

    origin_id: str
    name: str
    uri: str
    title: str


@dataclass(frozen=True, kw_only=True, slots=True)
class PassageText:
    """A redacted passage; `start` and `end` are offsets into the redacted document."""

    text: str
    heading: str
    page: int | None
    section: str | None
    start: int
    end: int

    @property
    def indexed_text(self) -> str:
        """What is embedded and looked up: the heading, then the text."""
        return f"{self.heading}\n{self.text}" if self.heading else self.text


def seal_description(key: Key, revision: KeyId, description: Description) -> bytes:
    """The description, sealed."""
    return seal(key, _dump(asdict(description)), place=f"{revision}:description")


def open_description(key: Key, revision: KeyId, sealed: bytes) -> Description:
    """The description that was sealed. Raises IntegrityError where it does not open."""
    return Description(**json.loads(unseal(key, sealed, place=f"{revision}:description")))


def seal_text(key: Key, revision: KeyId, ordinal: int, passage: PassageText) -> bytes:
    """The passage's text and place, sealed."""
    return seal(key, _dump(asdict(passage)), place=f"{revision}:{ordinal}:text")


def open_text(key: Key, revision: KeyId, ordinal: int, sealed: bytes) -> PassageText:
    """The passage that was sealed. Raises IntegrityError where it does not open."""
    return PassageText(**json.loads(unseal(key, sealed, place=f"{revision}:{ordinal}:text")))


def seal_vector(key: Key, revision: KeyId, ordinal: int, vector: NDArray[np.float32]) -> bytes:
    """The vector, rounded to half floats and sealed."""
    return seal(key, vector.astype(VECTOR_DTYPE).tobytes(), place=f"{revision}:{ordinal}:vector")


def open_vector(key: Key, revision: KeyId, ordinal: int, sealed: bytes) -> NDArray[np.float16]:
    """Shape (dim,), float16. Raises IntegrityError where it does not open."""
    return np.frombuffer(unseal(key, sealed, place=f"{revision}:{ordinal}:vector"), dtype=VECTOR_DTYPE)


def seal_vault(key: Key, revision: KeyId, values: Mapping[str, str]) -> bytes:
    """What stood in the place of each pseudonym of a document, padded and sealed."""
    plain = _dump(dict(values))
    return seal(key, plain.ljust(-len(plain) % VAULT_BLOCK_BYTES + len(plain)), place=f"{revision}:vault")


def open_vault(key: Key, revision: KeyId, sealed: bytes) -> Mapping[str, str]:
    """The values by pseudonym. Raises IntegrityError where it does not open."""
    values: dict[str, str] = json.loads(unseal(key, sealed, place=f"{revision}:vault"))
    return values


def _dump(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")
