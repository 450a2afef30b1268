from collections.abc import Sequence
from email.message import EmailMessage

import pytest

from indexer.formats.elements import Element, Parsed
from indexer.formats.mail import MAX_PARTS, mail
from policies.errors import QuarantineError


def html(text: str) -> Sequence[Element]:
    return [Element(text=f"<{text.strip()}>")]


def told(data: bytes) -> list[tuple[str, int, str]]:
    return [(item.kind, item.depth, item.text) for item in read(data).elements if item.text]


def read(data: bytes) -> Parsed:
    return mail(data, read_html=html)


def message(subject: str = "Hello") -> EmailMessage:
    made = EmailMessage()
    made["From"], made["To"], made["Subject"] = "ada@a.example", "bo@b.example", subject
    return made


def test_plain_text_is_preferred_and_attachments_are_counted() -> None:
    made = message()
    made.set_content("Plain body.\n\n> quoted\n")
    made.add_alternative("<p>HTML body.</p>", subtype="html")
    made.add_attachment(b"%PDF-", maintype="application", subtype="pdf", filename="a.pdf")
    made.add_attachment("a,b", filename="a.csv")
    parsed = read(made.as_bytes())
    assert (parsed.kind, parsed.title, parsed.skipped_parts) == ("eml", "Hello", 2)
    assert told(made.as_bytes()) == [
        ("title", 1, "Hello"),
        ("text", 0, "From: ada@a.example\nTo: bo@b.example"),
        ("text", 0, "Plain body."),
        ("text", 0, "> quoted"),
    ]


def test_html_is_read_where_the_plain_form_is_blank() -> None:
    made = message()
    made.set_content("\n")
    made.add_alternative("<p>HTML body.</p>", subtype="html")
    assert told(made.as_bytes())[-1] == ("text", 0, "<<p>HTML body.</p>>")


def test_a_forwarded_message_is_part_of_the_body() -> None:
    made, inner = message(), message("Inner")
    inner.set_content("Inner body.")
    made.set_content("See below.")
    made.add_attachment(inner)
    assert [text for _, _, text in told(made.as_bytes())][-3:] == [
        "Inner",
        "From: ada@a.example\nTo: bo@b.example",
        "Inner body.",
    ]
    assert read(made.as_bytes()).skipped_parts == 0


@pytest.mark.parametrize(
    ("raw", "subject"),
    [
        (b"=?utf-8?q?Caf=C3=A9?= =?iso-8859-1?q?_=E0?=", "Café à"),
        (b"=?no-such?q?abc?=", "=?no-such?q?abc?="),
        (b"=?utf-8?b?!!!?=", ""),
        (b"folded\n over lines", "folded over lines"),
        ("über".encode("latin-1"), "\ufffdber"),
    ],
)
def test_subjects_are_decoded_or_kept(raw: bytes, subject: str) -> None:
    assert (read(b"Subject: " + raw + b"\n\nBody.").title or "") == subject


@pytest.mark.parametrize(
    ("head", "body", "text"),
    [
        (b"Content-Type: text/plain; charset=iso-8859-1", b"caf\xe9", "café"),
        (b"Content-Type: text/plain; charset=nonsense", b"caf\xc3\xa9", "café"),
        (b"Content-Transfer-Encoding: base64", b"aGVsbG8=", "hello"),
        (b"Content-Type: multipart/mixed", b"no boundary", "no boundary"),
    ],
)
def test_bodies_are_decoded_as_declared_or_as_they_are(head: bytes, body: bytes, text: str) -> None:
    assert told(b"From: a@b.example\n" + head + b"\n\n" + body)[-1][2] == text


def test_encrypted_mail_is_refused_and_signed_mail_is_read() -> None:
    with pytest.raises(QuarantineError) as caught:
        read(b"From: a\nContent-Type: multipart/encrypted; boundary=x\n\n--x\n\nabc\n--x--\n")
    assert caught.value.reason == "encrypted"
    signed = (
        b"From: a\nContent-Type: multipart/signed; boundary=x\n\n--x\nContent-Type: text/plain\n\nWords.\n"
        b"--x\nContent-Type: application/pkcs7-signature\n\nabc\n--x--\n"
    )
    assert told(signed)[-1] == ("text", 0, "Words.")
    assert read(signed).skipped_parts == 0


def test_ten_thousand_parts_are_a_bomb() -> None:
    parts = b"--x\n\na\n" * (MAX_PARTS + 1)
    with pytest.raises(QuarantineError) as caught:
        read(b"From: a\nContent-Type: multipart/mixed; boundary=x\n\n" + parts + b"--x--\n")
    assert caught.value.reason == "bomb"
