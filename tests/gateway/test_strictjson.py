import json

import pytest

from gateway.problems import BodyMalformedError
from gateway.strictjson import parse


@pytest.mark.parametrize(
    ("text", "word"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"{'a': 1}", "not JSON"),
        (b"{} {}", "not JSON"),
        (b'{"a": "\x01"}', "not JSON"),
        (b"\xef\xbb\xbf{}", "not JSON"),
        (b"9" * 5000, "not JSON"),
        (b'{"a": "\xff"}', "not UTF-8"),
        ('{"a": 1}'.encode("utf-16"), "not UTF-8"),
        (b'{"a": "\xed\xa0\x80"}', "not UTF-8"),
        (b'{"a": NaN}', "not finite"),
        (b"[Infinity]", "not finite"),
        (b"[-Infinity]", "not finite"),
        (b"[1e999]", "not finite"),
        (b"[-1e999]", "not finite"),
        (b'{"a": 1, "a": 1}', "twice"),
        (b'{"a": 1, "\\u0061": 2}', "twice"),
        (b'{"b": [{"a": 1, "a": 2}]}', "twice"),
        (b"[" * 21 + b"]" * 21, "nested"),
        (b'{"a":' * 21 + b"1" + b"}" * 21, "nested"),
        (b"[" * 200_000 + b"]" * 200_000, "nested"),
        (b"[" * 200_000, "nested"),
    ],
)
def test_text_on_which_parsers_disagree_is_refused(text: bytes, word: str) -> None:
    with pytest.raises(BodyMalformedError, match=word) as caught:
        parse(text)
    assert caught.value.__cause__ is None


def test_nesting_of_twenty_is_read() -> None:
    assert json.dumps(parse(b"[" * 20 + b"]" * 20)) == "[" * 20 + "]" * 20
