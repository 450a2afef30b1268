import pytest

from indexer.formats.elements import Parsed
from indexer.formats.office.rtf import rtf
from policies.errors import QuarantineError
from tests.patience import patient


def read(body: bytes) -> Parsed:
    return rtf(rb"{\rtf1\ansi\ansicpg1252\deff0" + body + b"}")


def told(body: bytes) -> list[tuple[str, int, str]]:
    return [(item.kind, item.depth, item.text) for item in read(body).elements]


def texts(body: bytes) -> list[str]:
    return [text for _, _, text in told(body)]


def test_headings_are_known_by_their_style_and_by_their_level() -> None:
    styles = rb"{\stylesheet{\s1\outlinelevel0 heading 1;}{\s2 Heading 2;}{\s3\b Strong;}}"
    body = (
        rb"\pard\s1 One\par\pard\s2 Two\par\pard\s3 Three\par\pard\outlinelevel2 Four\par\pard\outlinelevel9 Five\par"
    )
    assert told(styles + body) == [
        ("title", 1, "One"),
        ("title", 2, "Two"),
        ("text", 0, "Three"),
        ("title", 3, "Four"),
        ("text", 0, "Five"),
    ]


def test_rows_keep_their_header_and_cells_their_paragraphs() -> None:
    body = (
        rb"Before.\par\trowd\cellx1\cellx2\pard\intbl Grade\cell Days\cell\row"
        rb"\pard\intbl A\par or B\cell 25\cell\row\pard After.\par"
    )
    assert told(body) == [
        ("text", 0, "Before."),
        ("table", 0, "Grade: A or B; Days: 25"),
        ("text", 0, "After."),
    ]


def test_a_table_at_the_end_and_a_row_that_nothing_ends_are_kept() -> None:
    assert texts(rb"\pard\intbl a\cell b\cell\row\pard\intbl c\cell d") == ["a: c; b: d"]


def test_lists_are_lists_without_their_bullets() -> None:
    body = rb"{\listtext\u8226\'95\tab}\ls1 one\par{\pntext 2.\tab}two\par\pard three\par"
    assert told(body) == [("list", 0, "one"), ("list", 0, "two"), ("text", 0, "three")]


def test_notes_boxes_headers_and_footers_end_the_document() -> None:
    body = (
        rb"{\header Head\par}{\footer Foot}Text{\footnote Note}{\*\annotation Remark} goes on."
        rb"{\shp{\*\shpinst{\sp{\sn geoLeft}{\sv 0}}{\shptxt Boxed\par}}{\shprslt Boxed again}}\par"
    )
    assert texts(body) == ["Text goes on.", "Head", "Foot", "Note", "Remark", "Boxed"]


def test_pictures_fields_instructions_and_unknown_destinations_are_left_out() -> None:
    body = (
        rb"See {\field{\*\fldinst HYPERLINK http://x.example}{\fldrslt here}}{\pict\pngblip 89504e47}"
        rb"{\*\unknown secret{\b inner}}{\object{\*\objdata 0105}{\result shown}}.\par"
    )
    assert texts(body) == ["See hereshown."]


def test_embedded_objects_are_counted_and_what_they_show_is_read() -> None:
    parsed = read(rb"a{\object\objemb{\*\objdata 01}{\result b}}{\object\objlink{\*\objdata 02}}\par")
    assert ([item.text for item in parsed.elements], parsed.skipped_parts) == (["ab"], 2)


def test_deleted_text_stays_out() -> None:
    assert texts(rb"kept {\deleted gone\deleted0 back}{\deleted gone} end\par") == ["kept back end"]


def test_the_title_comes_from_the_properties() -> None:
    parsed = read(rb"{\info{\title Leave policy}{\author Ada}{\*\company Northwind}}Text.\par")
    assert (parsed.title, [item.text for item in parsed.elements]) == ("Leave policy", ["Text."])


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (rb"caf\'e9", "café"),
        (b"caf\xe9", "café"),
        (rb"\u8364?\uc0\u1055\uc2\u1088\'d0\'f0!", "€Пр!"),
        (rb"\u-10179?\u-8704?", "😀"),
        (rb"\u-10179? alone", "\ufffd alone"),
        (rb"{\fonttbl{\f0\fcharset0 Arial;}{\f1\fcharset204 Arial;}}\f1 \'cf\'f0\f0 \'e9", "Прé"),
        (rb"{\fonttbl{\f1\fcharset128 MS;}}\f1 \'93\'8c\'8b\'9e", "東京"),
        (rb"{\fonttbl{\f1\fcharset128 MS;}}\f1 \'83A", "ア"),  # its second byte is an ASCII letter
        (rb"{\fonttbl{\f0 Arial;}{\f1\fcharset204 Arial;}}\f1 \'cf\f0 \'e9\f1 \'cf\f9 \'e9", "ПéПé"),  # no set, no font
        (rb"{\fonttbl{\f1\fcharset204 Arial;}}\f1 \'cf\plain \'e9", "Пé"),
        (rb"\ansicpg1250{\fonttbl{\f0 A;}{\f1\fcharset204 A;}}\f1 \'cf\f0 \'f8{\f1\plain \'f8}", "Пřř"),
        (rb"\mac caf\'8e", "café"),
        (rb"\mac\ansicpg10000 caf\'8e", "café"),
        (rb"\pc caf\'82\'9b", "café¢"),
        (rb"\pca caf\'82\'9b", "caféø"),
        (rb"\ansicpg1251 \'cf\'f0", "Пр"),
        (rb"\ansicpg99999 \'e9", "é"),
        (rb"a\~b\_c\-d\\e\{f\}", "a\xa0b-cd\\e{f}"),
        (rb"\lquote a\rquote \emdash  \ldblquote b\rdblquote", "‘a’— “b”"),
        (b"split\n over\r\nlines", "split overlines"),
        (rb"\bin4 \}\}}text", "text"),
        (rb"one\line two", "one\ntwo"),
    ],
)
def test_characters_are_read_in_every_way_they_are_written(body: bytes, text: str) -> None:
    assert texts(body + rb"\par") == [text]


def test_a_file_cut_short_gives_what_there_is() -> None:
    assert [item.text for item in rtf(rb"{\rtf1 Some {\b words and").elements] == ["Some words and"]


def test_groups_without_end_are_corrupt() -> None:
    with pytest.raises(QuarantineError) as caught:
        read(b"{" * 10_000)
    assert caught.value.reason == "corrupt"


@pytest.mark.parametrize(
    "piece", [b"}", rb"\cell ", rb"\row ", rb"\par ", rb"{\header x}", rb"{\pict 00}", rb"\'e9", b"\\"]
)
def test_hostile_repetition_costs_no_more_than_its_length(piece: bytes) -> None:
    with patient():
        read(piece * 20_000)
