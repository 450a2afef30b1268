"""Asking the audit: who did what to which object, and when."""

import json
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from policies.ledger import Record
from policies.model import Action


@dataclass(frozen=True, kw_only=True, slots=True)
class Inquiry:
    """What records are wanted; None wants any.

    `named` are ids (of documents, sources, jobs, requests) that a record must name, each of them. `since` and `until`
    are UTC, aware; a record at `until` is not wanted any more.
    """

    named: frozenset[str] = frozenset()
    actor: str | None = None
    action: Action | None = None
    since: datetime | None = None
    until: datetime | None = None

    def wants(self, record: Record) -> bool:
        """Whether this record is wanted. One that cannot be read was tampered with, and is wanted."""
        try:
            return (
                self.actor in {None, record.actor}
                and self.action in {None, record.action}
                and self._is_in_time(datetime.fromisoformat(record.at))
                and self.named <= _named(record)
            )
        except (ValueError, TypeError, AttributeError, RecursionError):
            return True

    def _is_in_time(self, at: datetime) -> bool:
        return (self.since is None or at >= self.since) and (self.until is None or at < self.until)


def last(records: Iterable[Record], inquiry: Inquiry, *, limit: int) -> tuple[Record, ...]:
    """The last records that are wanted, at most so many, oldest first."""
    return tuple(deque(filter(inquiry.wants, records), maxlen=limit))


def _named(record: Record) -> set[str]:
    """Everything a record names: its objects, and the sources that a retrieval asked."""
    detail = json.loads(record.detail)
    denied = (entry.partition(":")[0] for entry in detail.get("denied", ()))
    return {*json.loads(record.objects), *detail.get("sources", ()), *denied}
