import pytest

from indexer.formats.mail.mbox import MAX_MESSAGES, is_mailbox, mbox
from policies.errors import QuarantineError
from tests.patience import patient

FIRST = (
    b"From ada@a.example Thu Jan  1 00:00:00 1970\nFrom: ada@a.example\nSubject: One\n\nHello.\n\n>From here on.\n\n"
)
SECOND = b"From - Tue Mar 05 10:00:00 +0000 2024\nSubject: Two\n\nFrom the start, at 10:00 in 2024, no header.\n"


def test_each_message_is_a_part_with_its_quoted_lines_as_they_were() -> None:
    parsed = mbox(FIRST + SECOND)
    assert (parsed.kind, parsed.elements) == ("mbox", ())
    assert [(part.name, part.content) for part in parsed.parts] == [
        ("message-000001.eml", b"From: ada@a.example\nSubject: One\n\nHello.\n\nFrom here on.\n\n"),
        ("message-000002.eml", b"Subject: Two\n\nFrom the start, at 10:00 in 2024, no header.\n"),
    ]


def test_lines_may_end_as_on_windows() -> None:
    assert len(mbox((FIRST + SECOND).replace(b"\n", b"\r\n")).parts) == 2


@pytest.mark.parametrize(
    ("data", "mailbox"),
    [
        (FIRST + SECOND, True),
        (FIRST, False),
        (b"From us to you.\n\n" + SECOND, False),
        (FIRST + b"From 9:00 to 10:00 in 2024 we met.\n\nNo header.", False),
        (b"", False),
    ],
)
def test_a_mailbox_holds_several_messages(data: bytes, mailbox: bool) -> None:  # noqa: FBT001 - a table of cases
    assert is_mailbox(data) is mailbox


@pytest.mark.parametrize(
    ("data", "reason"),
    [(b"From: ada@a.example\n\nHello.", "corrupt"), ((SECOND + b"\n") * (MAX_MESSAGES + 1), "too_large")],
)
def test_what_is_no_mailbox_and_what_is_too_large_a_one_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(QuarantineError) as caught:
        mbox(data)
    assert caught.value.reason == reason


@pytest.mark.parametrize("piece", [b"From ", b"From a 1:1 ", b"\n\nFrom a", b">" * 50 + b"From ", b"\n\n"])
def test_what_almost_is_a_postmark_costs_no_more_than_its_length(piece: bytes) -> None:
    with patient():
        is_mailbox(FIRST + piece * 400_000)
