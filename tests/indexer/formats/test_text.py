import pytest

from indexer.formats.elements import normalise
from indexer.formats.text import decode, paragraphs
from policies.errors import QuarantineError


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252"])
def test_text_is_read_in_each_encoding_that_office_programs_write(encoding: str) -> None:
    text = "Le café a coûté 3 euros à l’arrivée, et la facture est datée du 4 août."
    assert decode(text.encode(encoding)) == text


def test_a_declared_encoding_that_does_not_exist_is_passed_over() -> None:
    assert decode(b"plain", declared="no-such-encoding") == "plain"


@pytest.mark.parametrize("data", [bytes(range(256)), b"\x81\x8d" * 50, b"\x00" * 99])
def test_what_is_not_text_in_a_known_encoding_is_corrupt(data: bytes) -> None:
    with pytest.raises(QuarantineError) as caught:
        decode(data)
    assert caught.value.reason == "corrupt"


def test_wrapped_lines_are_joined_and_short_ones_kept() -> None:
    text = (
        "This paragraph was wrapped by an editor at about sixty columns\n"
        "and goes on in the second line, and in a third one, which is\n"
        "shorter.\n\n"
        "Ada Lovelace\n12 St James's Square\nLondon\n"
    )
    first, second = (element.text for element in paragraphs(text))
    assert first == text.partition("\n\n")[0].replace("\n", " ")
    assert second == "Ada Lovelace\n12 St James's Square\nLondon"


def test_bulleted_lines_are_list_items() -> None:
    assert [(element.kind, element.text) for element in paragraphs("- one\n  - two\n3. three\n")] == [
        ("list", "- one"),
        ("list", "  - two"),
        ("list", "3. three"),
    ]


def test_with_a_long_line_each_line_is_a_paragraph() -> None:
    assert [element.text for element in paragraphs(f"{'word ' * 60}\nnext\n")] == ["word " * 60, "next"]


def test_normalised_text_joins_accents_keeps_joiners_and_drops_lone_surrogates() -> None:
    assert normalise("e\u0301 \ufb01n \ud800x\ufffe می\u200cخواهم \n\n\n\nend \x07\n") == "é fin x می\u200cخواهم\n\nend"


def test_an_encoding_that_no_text_is_stored_in_is_not_believed() -> None:
    assert decode(b"caf\xc3\xa9-9", declared="punycode") == "café-9"
    assert decode(b"a\\u0041", declared="unicode_escape") == "a\\u0041"


def test_a_letter_keeps_thirty_marks_and_text_without_them_all_of_its_signs() -> None:
    assert len(normalise("x" + "\u0323" * 1000)) == 31
    assert normalise("—" * 1000) == "—" * 1000


def test_more_text_than_a_document_may_hold_is_refused_while_it_is_read() -> None:
    with pytest.raises(QuarantineError) as caught:
        paragraphs("a\n\n" * 200_001)
    assert caught.value.reason == "too_large"


@pytest.mark.parametrize("label", ["iso-8859-1", "latin-1", "us-ascii", "ISO8859-1", "ansi_x3.4-1968"])
def test_latin_1_and_ascii_are_old_names_of_windows_1252(label: str) -> None:
    text = "Le “café” a coûté 5 € – à l’arrivée."
    assert decode(text.encode("cp1252"), declared=label) == text


def test_a_byte_that_windows_1252_does_not_assign_is_what_latin_1_says() -> None:
    assert decode(b"\x9d\xe9", declared="iso-8859-1") == "\x9dé"


def test_ascii_is_the_label_of_who_knows_of_no_other() -> None:
    text = "Отчёт за первый квартал готов, и директор подписал договор с поставщиком."
    assert decode(text.encode("koi8-r"), declared="us-ascii") == text
    assert decode(b"\xe9\xe8", declared="us-ascii") == "éè"


@pytest.mark.parametrize("label", ["iso-8859-1", "us-ascii", "windows-1252", "iso-8859-15", "windows-1251", "koi8-r"])
def test_utf_8_under_the_label_of_another_encoding_is_utf_8(label: str) -> None:
    assert decode("José à Zürich".encode(), declared=label) == "José à Zürich"


@pytest.mark.parametrize("label", ["iso-2022-jp", "utf-7", "shift_jis", "koi8-r", "cp1251", "utf-8"])
def test_a_label_that_is_true_is_believed(label: str) -> None:
    text = "Отчёт" if label in {"koi8-r", "cp1251"} else "東京"
    assert decode(text.encode(label), declared=label) == text


def test_what_is_no_encoding_of_text_is_passed_over() -> None:
    assert decode("é".encode(), declared="base64") == "é"
