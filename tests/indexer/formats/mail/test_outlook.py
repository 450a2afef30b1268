import struct
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import pytest

from indexer.formats.elements import Element, Parsed
from indexer.formats.mail.message import mail_message
from indexer.formats.mail.outlook import MAX_NESTING, outlook_message
from indexer.formats.office.rtf import rtf
from policies.errors import QuarantineError
from tests.indexer.formats.compound import compound

TEXT, BYTES, MESSAGE = "001F", "0102", "000D"
CLASS, SUBJECT, HEADERS, BODY, HTML, RTF = "001A", "0037", "007D", "1000", "1013", "1009"
SENT, ROLE, CODE_PAGE = 0x0039, 0x0C15, 0x3FDE


def html(body: bytes, charset: str | None) -> Sequence[Element]:
    return [Element(text=f"<{body.decode(charset or 'ascii').strip()}>")]


def read(data: bytes) -> Parsed:
    readers = {"text/html": html, "text/rtf": lambda body, _: rtf(body).elements}
    return mail_message(outlook_message(data), kind="msg", readers=readers)


def texts(data: bytes) -> list[str]:
    return [element.text for element in read(data).elements]


def storage(
    texts: Mapping[str, str],
    content: Mapping[str, bytes] = {},
    numbers: Mapping[int, int] = {},
    *,
    header_bytes: int = 32,
) -> dict[str, bytes]:
    """The streams of a message, a recipient or an attachment, by their names."""
    properties = b"".join(struct.pack("<HHIQ", 3, number, 6, value) for number, value in numbers.items())
    return {
        "__properties_version1.0": bytes(header_bytes) + properties,
        **{f"__substg1.0_{name}{TEXT}": text.encode("utf-16-le") for name, text in texts.items()},
        **{f"__substg1.0_{name}{BYTES}": value for name, value in content.items()},
    }


def below(folder: str, streams: Mapping[str, bytes]) -> dict[str, bytes]:
    return {f"{folder}/{name}": content for name, content in streams.items()}


def note(**texts: str) -> dict[str, str]:
    return {CLASS: "IPM.Note", SUBJECT: "Plan", "0C1A": "Ada", "5D01": "ada@a.example", **texts}


def recipient(number: int, name: str, address: str, role: int) -> dict[str, bytes]:
    texts = {"3001": name, "39FE": address}
    return below(f"__recip_version1.0_#{number:08}", storage(texts, numbers={ROLE: role}, header_bytes=8))


def attachment(number: int, name: str, content: bytes, **texts: str) -> dict[str, bytes]:
    streams = storage({"3707": name, **texts}, {"3701": content}, header_bytes=8)
    return below(f"__attach_version1.0_#{number:08}", streams)


def test_a_message_is_read_with_its_people_its_date_and_its_attachments() -> None:
    sent = int((datetime(2024, 5, 1, 10, 30, tzinfo=UTC) - datetime(1601, 1, 1, tzinfo=UTC)).total_seconds()) * 10**7
    data = compound(
        storage(note(**{BODY: "Hello.\r\n\r\nSee the plan."}), numbers={SENT: sent})
        | recipient(0, "Bo", "bo@b.example", 1)
        | recipient(1, "Cy", "/O=NORTHWIND/CN=CY", 2)
        | attachment(0, "..\\plan.pdf", b"%PDF-")
    )
    parsed = read(data)
    assert (parsed.kind, parsed.title) == ("msg", "Plan")
    assert texts(data) == [
        "Plan",
        "From: Ada <ada@a.example>\nTo: Bo <bo@b.example>\nCc: Cy\nDate: Wed, 01 May 2024 10:30:00 +0000",
        "Hello.",
        "See the plan.",
    ]
    assert [(part.name, part.content) for part in parsed.parts] == [("plan.pdf", b"%PDF-")]


def test_html_is_read_in_the_code_page_of_the_message() -> None:
    data = compound(storage(note(), {HTML: "<p>Привет</p>".encode("cp1251")}, {CODE_PAGE: 1251}))
    assert texts(data)[-1] == "<<p>Привет</p>>"


def test_a_body_that_is_formatted_text_alone_is_unpacked() -> None:
    formatted = rb"{\rtf1 Hello, Bo.\par}"
    packed = struct.pack("<IIII", len(formatted) + 12, len(formatted), 0x414C454D, 0) + formatted
    assert texts(compound(storage(note(), {RTF: packed})))[-1] == "Hello, Bo."


def test_an_attached_message_is_a_mail_of_its_own() -> None:
    inner = storage(note(**{SUBJECT: "Inner", BODY: "Inner body."}), header_bytes=24)
    folder = "__attach_version1.0_#00000000"
    data = compound(
        storage(note(**{BODY: "See attachment."}))
        | below(folder, storage({}, header_bytes=8))
        | below(f"{folder}/__substg1.0_3701{MESSAGE}", inner)
    )
    (part,) = read(data).parts
    assert part.name == "Inner.eml"
    assert b"Inner body" not in data[:100]
    assert "Inner body." not in texts(data)
    assert b"From: Ada <ada@a.example>" in part.content


def test_another_programs_object_is_counted() -> None:
    folder = "__attach_version1.0_#00000000"
    data = compound(
        storage(note())
        | below(folder, storage({}, header_bytes=8))
        | below(f"{folder}/__substg1.0_3701{MESSAGE}", {"CONTENTS": b"x"})
    )
    assert (read(data).parts, read(data).skipped_parts) == ((), 1)


def test_a_small_picture_inside_the_body_is_no_document_and_a_text_with_an_id_is() -> None:
    data = compound(
        storage(note())
        | attachment(0, "logo.png", b"x" * 100, **{"370E": "image/png", "3712": "logo"})
        | attachment(1, "notes.txt", b"words", **{"370E": "text/plain", "3712": "notes"})
    )
    assert ([part.name for part in read(data).parts], read(data).skipped_parts) == (["notes.txt"], 1)


def test_a_signed_message_is_read_from_what_was_signed() -> None:
    signed = (
        b"Content-Type: multipart/signed; boundary=x\n\n--x\nContent-Type: text/plain\n\nSigned words.\n"
        b"--x\nContent-Type: application/pkcs7-signature\n\nabc\n--x--\n"
    )
    data = compound(storage(note(**{CLASS: "IPM.Note.SMIME.MultipartSigned"})) | attachment(0, "smime.p7m", signed))
    assert texts(data)[-1] == "Signed words."


@pytest.mark.parametrize(
    "texts", [{CLASS: "IPM.Note.SMIME"}, {HEADERS: "Content-Type: multipart/encrypted; boundary=x\n\n"}]
)
def test_an_encrypted_message_is_refused(texts: dict[str, str]) -> None:
    with pytest.raises(QuarantineError) as caught:
        read(compound(storage(note(**texts))))
    assert caught.value.reason == "encrypted"


def test_messages_in_messages_without_end_are_a_bomb() -> None:
    streams: dict[str, bytes] = storage(note())
    path = ""
    for _ in range(MAX_NESTING + 1):
        path += f"__attach_version1.0_#00000000/__substg1.0_3701{MESSAGE}/"
        streams |= {f"{path}{name}": content for name, content in storage(note(), header_bytes=24).items()}
    with pytest.raises(QuarantineError) as caught:
        read(compound(streams))
    assert caught.value.reason == "bomb"


def test_a_message_cut_short_is_corrupt() -> None:
    with pytest.raises(QuarantineError) as caught:
        read(compound(storage(note()))[:700])
    assert caught.value.reason == "corrupt"
