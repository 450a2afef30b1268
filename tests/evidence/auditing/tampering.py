"""What somebody who can write to the files might do to an audit."""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, fields, replace

from policies.ledger import GENESIS, Record
from tests.evidence.auditing.chains import Chain

FIELDS = tuple(field.name for field in fields(Record))
Tamper = Callable[[list[Record], random.Random], list[Record]]


def flipped(raw: bytes, places: Iterator[int] | Sequence[int]) -> Iterator[tuple[int, bytes]]:
    """The bytes with one bit of those in these places flipped, bit by bit, with the number of the bit."""
    changed = bytearray(raw)
    for place in places:
        for bit in range(8):
            changed[place] ^= 1 << bit
            yield place * 8 + bit, bytes(changed)
            changed[place] ^= 1 << bit


def row_bytes(database: bytes) -> list[int]:
    """Every byte of a SQLite file that belongs to a row of the table on the pages that hold the records.

    https://www.sqlite.org/fileformat2.html, section 1.6: a leaf page of a table begins with 13, then come the number
    of its cells and where each begins; a cell is the length of its content, the row's number, and the content.
    """
    size = int.from_bytes(database[16:18], "big")
    places: list[int] = []
    for start in range(0, len(database), size):
        page = database[start : start + size]
        # Page 1 holds the schema, behind the file's own header.
        if start == 0 or page[0] != 13:
            continue
        for number in range(int.from_bytes(page[3:5], "big")):
            cell = int.from_bytes(page[8 + 2 * number : 10 + 2 * number], "big")
            length, content = _varint(page, cell)
            _, content = _varint(page, content)
            places += range(start + cell, start + content + length)
    return places


def tampered(chain: Chain, chance: random.Random) -> tuple[str, list[Record]]:
    """Other records than were written, and what was done to them."""
    records = list(chain.records)
    while True:
        name = chance.choice(tuple(KINDS))
        changed = KINDS[name](list(records), chance)
        if changed != records:
            return name, changed


def tampered_export(chain: Chain, chance: random.Random) -> tuple[str, bytes]:
    """Other bytes than were exported, and what was done to them."""
    while True:
        name = chance.choice(tuple(BYTES))
        changed = BYTES[name](chain.export, chance)
        if changed != chain.export:
            return f"export: {name}", changed


def _edit(records: list[Record], chance: random.Random) -> list[Record]:
    place = chance.randrange(len(records))
    records[place] = _edited(records[place], chance)
    return records


def _edit_and_hash(records: list[Record], chance: random.Random) -> list[Record]:
    place = chance.randrange(len(records))
    records[place] = _hashed(_edited(records[place], chance))
    return records


def _other_type(records: list[Record], chance: random.Random) -> list[Record]:
    place, name = chance.randrange(len(records)), chance.choice(FIELDS[1:])
    value = getattr(records[place], name)
    other = chance.choice([None, value.encode(), 0, 1.5, float("inf"), ""])
    records[place] = Record(**asdict(records[place]) | {name: other})
    return records


def _fork(records: list[Record], chance: random.Random) -> list[Record]:
    """Everything from some record on written anew, in a chain that holds in itself, shorter or longer than it was."""
    place = chance.randrange(len(records))
    tail = [_edited_content(record, chance) for record in records[place:]] * chance.randrange(1, 3)
    return _rehashed([*records[:place], *tail[: chance.randrange(1, len(tail) + 1)]], place)


def _cut(records: list[Record], chance: random.Random) -> list[Record]:
    first = chance.randrange(len(records))
    del records[first : first + chance.randrange(1, 4)]
    return records


def _cut_and_close(records: list[Record], chance: random.Random) -> list[Record]:
    first = chance.randrange(len(records))
    del records[first : first + chance.randrange(1, 4)]
    return _rehashed(records, first)


def _truncate(records: list[Record], chance: random.Random) -> list[Record]:
    return records[: chance.randrange(len(records))]


def _insert(records: list[Record], chance: random.Random) -> list[Record]:
    place = chance.randrange(len(records))
    inserted = _hashed(_edited_content(records[place], chance))
    records.insert(place, replace(inserted, sequence=inserted.sequence + chance.choice([-1, 0, 1])))
    return records


def _insert_and_close(records: list[Record], chance: random.Random) -> list[Record]:
    place = chance.randrange(len(records))
    records.insert(place, _edited_content(records[place], chance))
    return _rehashed(records, place)


def _repeat(records: list[Record], chance: random.Random) -> list[Record]:
    records.insert(chance.randrange(len(records) + 1), chance.choice(records))
    return records


def _reorder(records: list[Record], chance: random.Random) -> list[Record]:
    chance.shuffle(records)
    return records


KINDS: dict[str, Tamper] = {
    "edit": _edit,
    "edit, with a new hash": _edit_and_hash,
    "field of another type": _other_type,
    "fork": _fork,
    "cut": _cut,
    "cut, and closed": _cut_and_close,
    "truncation": _truncate,
    "insertion": _insert,
    "insertion, and closed": _insert_and_close,
    "record twice": _repeat,
    "reordered": _reorder,
}


def _some_bytes(raw: bytes, chance: random.Random) -> bytes:
    changed = bytearray(raw)
    for _ in range(chance.randrange(1, 5)):
        changed[chance.randrange(len(raw))] = chance.randrange(256)
    return bytes(changed)


def _without_some(raw: bytes, chance: random.Random) -> bytes:
    first = chance.randrange(len(raw))
    return raw[:first] + raw[first + chance.randrange(1, 300) :]


def _with_more(raw: bytes, chance: random.Random) -> bytes:
    place = chance.randrange(len(raw) + 1)
    return raw[:place] + chance.choice([b"\n", b" ", b"\0", chance.randbytes(8)]) + raw[place:]


def _lines(raw: bytes, chance: random.Random) -> bytes:
    lines = raw.splitlines(keepends=True)
    match chance.randrange(3):
        case 0:
            chance.shuffle(lines)
        case 1:
            lines.insert(chance.randrange(len(lines) + 1), chance.choice(lines))
        case _:
            del lines[chance.randrange(len(lines))]
    return b"".join(lines)


BYTES: dict[str, Callable[[bytes, random.Random], bytes]] = {
    "other bytes": _some_bytes,
    "bytes left out": _without_some,
    "bytes added": _with_more,
    "lines moved, twice or missing": _lines,
    "truncation": lambda raw, chance: raw[: chance.randrange(len(raw))],
}


def _edited(record: Record, chance: random.Random) -> Record:
    name = chance.choice(FIELDS)
    if name == "sequence":
        return replace(record, sequence=record.sequence + chance.choice([-3, -1, 1, 2, 1000]))
    value = getattr(record, name)
    place = chance.randrange(len(value))
    letter = chance.choice(["", "x", "0", "é", " ", "\0", '"'])
    return Record(**asdict(record) | {name: value[:place] + letter + value[place + chance.randrange(2) :]})


def _edited_content(record: Record, chance: random.Random) -> Record:
    return replace(record, actor=f"caller:eve{chance.randrange(10**6)}")


def _hashed(record: Record) -> Record:
    return replace(record, hash=record.computed_hash())


def _rehashed(records: list[Record], first: int) -> list[Record]:
    """The records, numbered and chained anew from one on."""
    for place in range(first, len(records)):
        previous = records[place - 1].hash if place else GENESIS
        records[place] = _hashed(replace(records[place], sequence=place + 1, previous=previous))
    return records


def _varint(page: bytes, place: int) -> tuple[int, int]:
    value = 0
    for _ in range(9):
        value = value << 7 | page[place] & 0x7F
        place += 1
        if not page[place - 1] & 0x80:
            break
    return value, place
