"""A small ticket desk: what became of each customer's message, once and for all, in one SQLite file."""

import sqlite3
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


class State(StrEnum):
    """What became of a message."""

    READY = "ready"  # a ticket whose reply may go out
    APPROVAL = "approval"  # a ticket whose reply a person must approve
    PERSON = "person"  # no ticket: a person answers


@dataclass(frozen=True, kw_only=True)
class Entry:
    """What became of the message with this key. `reply` is None where a person answers."""

    key: str
    state: State
    request_id: str
    reply: str | None


class Desk:
    """The desk in a file. Several processes may write to it: whoever settles a message first has settled it."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._database = sqlite3.connect(path, isolation_level=None, timeout=30)
        self._database.execute(
            "CREATE TABLE IF NOT EXISTS entry (key TEXT PRIMARY KEY, state TEXT NOT NULL, request_id TEXT NOT NULL, "
            "reply TEXT, CHECK ((state = 'person') = (reply IS NULL)))"
        )

    def find(self, key: str) -> Entry | None:
        """What became of a message, None while it is not settled."""
        found = self._database.execute("SELECT state, request_id, reply FROM entry WHERE key = ?", (key,)).fetchone()
        return found and Entry(key=key, state=State(found[0]), request_id=found[1], reply=found[2])

    def settle(self, entry: Entry) -> Entry:
        """Settle a message, unless it is; what became of it in either case."""
        self._database.execute(
            "INSERT INTO entry VALUES (?, ?, ?, ?) ON CONFLICT (key) DO NOTHING",
            (entry.key, entry.state, entry.request_id, entry.reply),
        )
        return self.find(entry.key) or entry

    def close(self) -> None:
        """Close the file."""
        self._database.close()
