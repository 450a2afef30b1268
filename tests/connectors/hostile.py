"""A connector that keeps no promise, to see that nobody relies on one."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Self

from connectors.base import Cursor, Listing, SourceDocument, Upsert
from connectors.secrets import Secrets
from policies.model import Access

SECRET = "hunter2-in-plain-sight"


def document(origin_id: str = "a", **values: object) -> SourceDocument:
    """A good document but for the `values` given, of whatever type."""
    good = SourceDocument(
        origin_id=origin_id,
        name=f"{origin_id}.txt",
        uri="https://example.org/a",
        size_bytes=1,
        stamp="1",
        created=None,
        modified=datetime(2026, 1, 1, tzinfo=UTC),
    )
    return replace(good, **values)  # type: ignore[arg-type]


def upsert(origin_id: str = "a", **values: object) -> Upsert:
    return Upsert(document=document(origin_id, **values))


def failing(error: BaseException, *first: object) -> Callable[[], Iterator[object]]:
    """A listing that breaks off with an error behind its first items."""

    def items() -> Iterator[object]:
        yield from first
        raise error

    return items


def endless() -> Iterator[object]:
    number = 0
    while True:
        number += 1
        yield upsert(str(number))


def mutating() -> Iterator[object]:
    """One item again and again, changed each time behind the back of who holds it."""
    item = upsert("a")
    for origin_id in ("a", "b", "c"):
        object.__setattr__(item.document, "origin_id", origin_id)
        yield item


@dataclass(kw_only=True)
class Hostile:
    """Lists, fetches and permits whatever it was told to, of any type; an exception among these is raised."""

    items: Callable[[], object] = tuple
    content: object = b"x"
    access: object = field(default_factory=dict)

    @classmethod
    def from_options(cls, options: Mapping[str, object], *, secrets: Secrets) -> Self:  # noqa: ARG003 - as the registry calls it
        fault = options.get("fault")
        if isinstance(fault, BaseException):
            raise fault
        return cls()

    def list(self, cursor: Cursor | None) -> Listing:  # noqa: ARG002
        return self.items()  # type: ignore[return-value]

    def fetch(self, document: SourceDocument, *, max_bytes: int) -> bytes:  # noqa: ARG002
        return _given(self.content)  # type: ignore[return-value]

    def permissions(self, documents: Sequence[SourceDocument]) -> dict[str, Access]:  # noqa: ARG002
        return _given(self.access)  # type: ignore[return-value]


def _given(value: object) -> object:
    if isinstance(value, BaseException):
        raise value
    return value
