import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexer.formats.mail.attachments import MAX_NAME_CHARS, MAX_PARTS, MAX_PARTS_BYTES, Attachments, clean_name


@pytest.mark.parametrize(
    ("name", "clean"),
    [
        ("report.pdf", "report.pdf"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\ada\\plan.docx", "plan.docx"),
        ("C:plan.docx", "Cplan.docx"),
        ("/etc/shadow", "shadow"),
        ("..", ""),
        ("...", ""),
        (" . ", ""),
        ("", ""),
        ("a\x00b\nc\td.txt", "ab cd.txt"),
        ("invoice\u202efdp.exe", "invoicefdp.exe"),
        ("cafe\u0301.pdf", "café.pdf"),
        ('<script>"x"|?*.html', "scriptx.html"),
        (".bashrc", "bashrc"),
        ("a.very-long-extension", "a.very-long-extension"),
        ("x" * 500 + ".pdf", "x" * (MAX_NAME_CHARS - 4) + ".pdf"),
    ],
)
def test_a_name_becomes_a_plain_file_name(name: str, clean: str) -> None:
    assert clean_name(name) == clean


@given(st.text(max_size=300))
def test_a_clean_name_is_short_leads_nowhere_and_stays_as_it_is(name: str) -> None:
    clean = clean_name(name)
    assert len(clean) <= MAX_NAME_CHARS
    assert not set(clean) & set('/\\:<>"|?*\x00\n')
    assert clean not in {".", ".."}
    assert clean_name(clean) == clean


def test_each_part_has_a_name_of_its_own() -> None:
    attachments = Attachments()
    for name in ("a.pdf", "A.PDF", "a.pdf", None, None, "a (2).pdf"):
        attachments.add(name, b"x")
    names = [part.name for part in attachments.parts]
    assert names == ["a.pdf", "A (2).PDF", "a (3).pdf", "attachment", "attachment (2)", "a (2) (2).pdf"]


def test_empty_files_and_files_beyond_the_limits_are_counted() -> None:
    attachments = Attachments()
    attachments.add("empty.txt", b"")
    attachments.add("large.bin", bytes(MAX_PARTS_BYTES))
    attachments.add("one-more.txt", b"x")
    assert ([part.name for part in attachments.parts], attachments.skipped) == (["large.bin"], 2)
    many = Attachments()
    for number in range(MAX_PARTS + 3):
        many.add(f"{number}.txt", b"x")
    assert (len(many.parts), many.skipped) == (MAX_PARTS, 3)
