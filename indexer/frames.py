"""The frames that a sandbox and its child exchange over pipes: JSON, and raw bytes beside it. No pickle.

A request is a JSON header and a body. A reply is JSON in which `bytes` may stand wherever a value may: they travel raw
behind the text, in the order in which they stand in it, and stand in the same places again when they arrive.
"""

import json
import struct
from collections.abc import Callable, Mapping
from typing import TypeAlias

JSON: TypeAlias = bool | int | float | str | bytes | list["JSON"] | dict[str, "JSON"] | None
"""What crosses the pipes. `bytes` stand in replies only."""
Handler: TypeAlias = Callable[[dict[str, JSON], bytes], Mapping[str, JSON]]

MAX_REPLY_BYTES = 64 * 2**20  # chosen: a document has 50 MiB at most, and so has what is attached to a mail
REQUEST_PREFIX = struct.Struct(">II")  # bytes of JSON, bytes of body
REPLY_PREFIX = struct.Struct(">II")  # bytes of JSON, bytes of all `bytes` in it

_LENGTH = "\0bytes"  # the only key of the object that stands for `bytes`


def pack_request(header: Mapping[str, JSON], body: bytes) -> bytes:
    """The frame that asks for `header` and `body`."""
    text = json.dumps(header).encode()
    return b"".join((REQUEST_PREFIX.pack(len(text), len(body)), text, body))


def pack_reply(reply: Mapping[str, JSON]) -> list[bytes]:
    """The frame that says `reply`, in pieces.

    Raises:
        TypeError, ValueError: a value that JSON does not have.
        OverflowError: the frame would be larger than MAX_REPLY_BYTES.
    """
    aside: list[bytes] = []

    def put_aside(value: object) -> dict[str, int]:
        if not isinstance(value, bytes):
            raise TypeError
        aside.append(value)
        return {_LENGTH: len(value)}

    text = json.dumps(reply, allow_nan=False, default=put_aside).encode()
    aside_bytes = sum(map(len, aside))
    if len(text) + aside_bytes > MAX_REPLY_BYTES:
        raise OverflowError
    return [REPLY_PREFIX.pack(len(text), aside_bytes), text, *aside]


def unpack_reply(incoming: bytearray) -> dict[str, JSON] | None:
    """What the frame says, None while it has not come whole.

    Raises:
        ValueError: this is no reply, whatever may still come.
    """
    if len(incoming) < REPLY_PREFIX.size:
        return None
    text_bytes, aside_bytes = REPLY_PREFIX.unpack_from(incoming)
    missing = REPLY_PREFIX.size + text_bytes + aside_bytes - len(incoming)
    if text_bytes + aside_bytes > MAX_REPLY_BYTES or missing < 0:
        raise ValueError
    if missing:
        return None
    begin = REPLY_PREFIX.size + text_bytes

    def put_back(value: dict[str, JSON]) -> JSON:
        nonlocal begin
        if value.keys() != {_LENGTH}:
            return value
        length = value[_LENGTH]
        # Each byte once: a reply that named a large one a million times would fill the parent's memory.
        if not isinstance(length, int) or not 0 <= length <= len(incoming) - begin:
            raise ValueError
        begin += length
        return bytes(incoming[begin - length : begin])

    try:
        reply = json.loads(incoming[REPLY_PREFIX.size : begin], object_hook=put_back)
    except RecursionError:
        raise ValueError from None
    if not isinstance(reply, dict) or begin != len(incoming):
        raise ValueError
    return reply
