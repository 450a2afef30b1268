"""What kinds of keys there are, and how one is kept and called in the keyring's file."""

from enum import StrEnum

from sqlmodel import Field, SQLModel


class KeyKind(StrEnum):
    """What a wrapped key is for."""

    WRAPPING = "wrapping"
    IDS = "ids"
    SIGNING = "signing"
    PSEUDONYMS = "pseudonyms"
    CURSOR = "cursor"
    ASKED = "asked"
    DOCUMENT = "document"
    NEEDLES = "needles"
    GOLDEN = "golden"


class KeyRow(SQLModel, table=True):
    """A key, wrapped by the one of the kind WRAPPING, which the master key wraps."""

    __tablename__ = "key"

    id: str = Field(primary_key=True)
    wrapped: bytes


def key_name(kind: KeyKind, owner: str = "") -> str:
    """What the key of this kind is called, of a source, a version, a purge or a question where there are several."""
    return f"{kind.value}:{owner}"
