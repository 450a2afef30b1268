"""What crosses the pipes arrives as it was sent, or is no reply."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexer import frames
from indexer.frames import JSON, REPLY_PREFIX, pack_reply, unpack_reply

keys = st.text(st.characters(codec="utf-8", exclude_characters="\0"))
replies = st.dictionaries(
    st.text(),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text() | st.binary(),
        lambda inner: st.lists(inner) | st.dictionaries(keys, inner),
        max_leaves=30,  # more take seconds to draw and differ in nothing
    ),
)


def frame(reply: JSON, aside: bytes = b"") -> bytearray:
    text = json.dumps(reply).encode()
    return bytearray(REPLY_PREFIX.pack(len(text), len(aside)) + text + aside)


@given(reply=replies)
def test_a_reply_arrives_with_its_bytes_where_they_stood(reply: dict[str, JSON]) -> None:
    assert unpack_reply(bytearray(b"".join(pack_reply(reply)))) == reply


@given(reply=replies, cut=st.integers(min_value=1))
def test_a_reply_that_has_not_come_whole_is_waited_for(reply: dict[str, JSON], cut: int) -> None:
    whole = bytearray(b"".join(pack_reply(reply)))
    assert unpack_reply(whole[: -1 - cut % len(whole)]) is None


def test_bytes_travel_raw() -> None:
    content = bytes(range(256)) * 1000
    assert sum(map(len, pack_reply({"content": content}))) < len(content) + 100


@pytest.mark.parametrize(
    "garbage",
    [
        frame({"a": {"\0bytes": 3}}, b"ab"),
        frame({"a": {"\0bytes": 1}}, b"ab"),
        frame({"a": {"\0bytes": 2}, "b": {"\0bytes": 2}}, b"ab"),
        frame({"a": {"\0bytes": -1}}, b"ab"),
        frame({"a": {"\0bytes": "2"}}, b"ab"),
        frame({"a": 1}, b"ab"),
        frame({"a": 1}) + b"x",
        frame(["a"]),
        bytearray(REPLY_PREFIX.pack(3, 0) + b"{a}"),
        bytearray(REPLY_PREFIX.pack(100_000, 0) + b"[" * 100_000),
        bytearray(REPLY_PREFIX.pack(frames.MAX_REPLY_BYTES, 1)),
    ],
)
def test_what_no_child_sends_is_no_reply(garbage: bytearray) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - whichever it is
        unpack_reply(garbage)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {1, 2}, object()])
def test_what_json_does_not_have_is_not_sent(value: object) -> None:
    with pytest.raises((TypeError, ValueError)):
        pack_reply({"value": value})  # type: ignore[dict-item]


def test_text_and_bytes_are_counted_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frames, "MAX_REPLY_BYTES", 100)
    assert pack_reply({"text": "x" * 80})
    with pytest.raises(OverflowError):
        pack_reply({"text": "x" * 40, "content": b"x" * 50})
