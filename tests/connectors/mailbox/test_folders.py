import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.mailbox.folders import Folders, decode


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("INBOX", "INBOX"),
        ("Entw&APw-rfe", "Entwürfe"),
        ("R&-D", "R&D"),
        ("&ZeVnLIqe-", "日本語"),
        ("&2D3eQg-", "🙂"),
        ("~peter/mail/&U,BTFw-/&ZeVnLIqe-", "~peter/mail/台北/日本語"),
        ("&!-", "&!-"),
        ("&AA-", "&AA-"),
        ("&2D0-", "&2D0-"),
        ("&", "&"),
    ],
)
def test_names_are_read_as_modified_utf_7_or_left_as_they_are(name: str, shown: str) -> None:
    assert decode(name) == shown


@given(st.text(alphabet="&-+,abcAB019=/", max_size=20))
def test_no_name_raises(name: str) -> None:
    decode(name)


def test_include_and_exclude_choose_folders() -> None:
    folders = Folders(include=("INBOX", "Work/**"), exclude=("Work/Private/**", "**/Junk"))
    taken = ["INBOX", "Work/A", "Work/A/B", "Work/Private/A", "Work/Junk", "Junk", "inbox", "Other"]
    assert [path for path in taken if folders.take(path)] == ["INBOX", "Work/A", "Work/A/B"]
