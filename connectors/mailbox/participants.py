"""The addresses of a message's header, read strictly: a field that is not understood to its end names nobody.

The library's parser is not used, for it has read display names as addresses (CVE-2023-27043), and what it makes of a
broken field differs from version to version. A display name is never an address here, whatever it looks like.
"""

import re
import sys
from collections.abc import Iterator, Mapping
from typing import Final

from connectors.mailbox.message import PARTICIPANT_FIELDS, Head

MAX_ADDRESSES: Final = 200
"""Chosen: a message that names more has a distribution list for readers, to be admitted as a group or as owners.

The sender writes the header, and what is kept of 5,000 made-up addresses was 1.2 MB (measured), of 200 it is 30 kB.
"""
MAX_ADDRESS_CHARS: Final = 250
"""What a principal has room for behind `user:`; RFC 5321 allows 254."""

_TOKEN: Final = re.compile(
    r"""(?P<space>[ \t]+) | (?P<quoted>"(?:[^"\\\x00-\x08\x0a-\x1f]|\\[^\x00-\x1f])*") | (?P<open>\()
    | (?P<word>[^ "(),:;<>@\[\]\\\x00-\x1f\x7f]+) | (?P<sign>[,:;<>@])""",
    re.VERBOSE,
)
_COMMENT: Final = re.compile(r"[^()\\\x00-\x08\x0a-\x1f]+|\\[^\x00-\x1f]|[()]")
_ADDRESS: Final = re.compile(
    r"[a-z0-9!#$%&'+/=?^_`{|}~-]+(?:\.[a-z0-9!#$%&'+/=?^_`{|}~-]+)*"
    r"@[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*"
)


class _BrokenError(Exception):
    """The field is not a list of addresses."""


def readers(head: Head, groups: Mapping[str, str]) -> frozenset[str]:
    """The principals whom a header names: those of `groups` for their addresses, else `user:` and the address.

    Nobody, where it names more than MAX_ADDRESSES: then only the mailbox's owner reads it.
    """
    named = {
        address
        for field in PARTICIPANT_FIELDS
        for value in head.fields.get(field, ())
        for address in addresses(value.decode("latin-1"))
    }
    if len(named) > MAX_ADDRESSES:
        return frozenset()
    # Interned: some people are named by nearly every message.
    return frozenset(groups.get(address) or sys.intern(f"user:{address}") for address in named)


def addresses(field: str) -> tuple[str, ...]:
    """The addresses of an RFC 5322 address list in lower case; none of a list that is broken.

    Left out are addresses with a quoted local part, with other than ASCII characters (letters that look alike are
    not the same reader), with `*`, or too long.
    """
    try:
        found = tuple(_list(list(_tokens(field))))
    except _BrokenError:
        return ()
    return tuple(filter(is_address, (address.lower() for address in found)))


def is_address(text: str) -> bool:
    """Whether it is an address in the form that principals have: in lower case, ASCII, not quoted."""
    return len(text) <= MAX_ADDRESS_CHARS and _ADDRESS.fullmatch(text) is not None


def _tokens(text: str) -> Iterator[str]:
    """Words, signs and quoted strings; a space for spaces and comments."""
    at = 0
    while at < len(text):
        token = _TOKEN.match(text, at)
        if token is None:
            raise _BrokenError
        if token.lastgroup == "open":
            at = _after_comment(text, at)
            yield " "
        else:
            at = token.end()
            yield " " if token.lastgroup == "space" else token[0]


def _after_comment(text: str, at: int) -> int:
    depth = 0
    while part := _COMMENT.match(text, at):
        at = part.end()
        depth += {"(": 1, ")": -1}.get(part[0], 0)
        if depth == 0:
            return at
    raise _BrokenError


def _list(tokens: list[str]) -> Iterator[str]:
    """The addresses between commas and in groups (`name: a@x, b@x;`), which do not lie in each other."""
    element: list[str] = []
    in_group = after_group = False
    for sign in [*tokens, ","]:
        if sign not in (",", ":", ";"):
            if sign != " " or element[-1:] != [" "]:
                element.append(sign)
            continue
        if sign == ":":
            if in_group or after_group or not _is_phrase(element):
                raise _BrokenError
            in_group = True
        else:
            if after_group and set(element) - {" "}:
                raise _BrokenError
            yield from _mailbox(element)
            if sign == ";" and not in_group:
                raise _BrokenError
            after_group, in_group = sign == ";", in_group and sign != ";"
        element = []
    if in_group:
        raise _BrokenError


def _is_phrase(tokens: list[str]) -> bool:
    return bool(set(tokens) - {" "}) and not {"<", ">"} & set(tokens)


def _mailbox(tokens: list[str]) -> Iterator[str]:
    """The one address of an element: in angle brackets behind a display name, or standing alone."""
    address = _stripped(tokens)
    if "<" in address:
        if address[-1] != ">" or address.count("<") + address.count(">") > len("<>"):
            raise _BrokenError
        address = _stripped(address[address.index("<") + 1 : -1])
    match address:
        case [local, "@", host]:
            yield f"{local}@{host}"
        case _ if "@" in address:
            raise _BrokenError
        case _:
            # `<>`, the sender of a bounce, or words alone: they name nobody, and make no other name doubtful.
            return


def _stripped(tokens: list[str]) -> list[str]:
    return tokens[bool(tokens[:1] == [" "]) : len(tokens) - bool(tokens[-1:] == [" "])]
