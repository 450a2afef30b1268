import re
from collections.abc import Sequence
from email.message import EmailMessage

import pytest

from indexer.formats.elements import Element, Parsed, quarantine
from indexer.formats.mail.attachments import MAX_PARTS
from indexer.formats.mail.message import MAX_INLINE_PICTURE_BYTES, mail
from policies.errors import QuarantineError


def html(body: bytes, charset: str | None) -> Sequence[Element]:
    text = body.decode(charset or "ascii").strip()
    if text == "<unreadable>":
        raise quarantine("corrupt")
    return [Element(text=f"<{re.sub('<[^<>]*>', '', text)}>")]


def told(data: bytes) -> list[tuple[str, int, str]]:
    return [(item.kind, item.depth, item.text) for item in read(data).elements if item.text]


def attached(data: bytes) -> list[tuple[str, bytes]]:
    return [(part.name, part.content) for part in read(data).parts]


def read(data: bytes) -> Parsed:
    return mail(data, readers={"text/html": html})


def message(subject: str = "Hello") -> EmailMessage:
    made = EmailMessage()
    made["From"], made["To"], made["Subject"] = "ada@a.example", "bo@b.example", subject
    return made


def test_plain_text_is_preferred_and_attachments_are_parts() -> None:
    made = message()
    made.set_content("Plain body.\n\n> quoted\n")
    made.add_alternative("<p>HTML body.</p>", subtype="html")
    made.add_attachment(b"%PDF-", maintype="application", subtype="pdf", filename="a.pdf")
    made.add_attachment("a,b", filename="a.csv")
    parsed = read(made.as_bytes())
    assert (parsed.kind, parsed.title, parsed.skipped_parts) == ("eml", "Hello", 0)
    assert attached(made.as_bytes()) == [("a.pdf", b"%PDF-"), ("a.csv", b"a,b\n")]
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
    assert told(made.as_bytes())[-1] == ("text", 0, "<HTML body.>")


@pytest.mark.parametrize(
    ("plain", "formatted", "read_as"),
    [
        ("The bill is due.", "<p>The <b>bill</b> is due.</p><p>Read in a browser.</p>", ["The bill is due."]),
        ("Your client shows no HTML.", "<p>The bill is due on 3 May.</p>", ["<The bill is due on 3 May.>"]),
        ("The bill is due on 3 May.", "<p>See above</p>", ["The bill is due on 3 May.", "<See above>"]),
        ("東京の天気は\n晴れです。", "<p>東京の天気は晴れです。</p>", ["東京の天気は\n晴れです。"]),
        ("Yes", "<p></p>", ["Yes"]),
        ("?", "<unreadable>", ["?"]),
    ],
)
def test_plain_text_is_read_where_it_says_what_the_html_says(plain: str, formatted: str, read_as: list[str]) -> None:
    made = message()
    made.set_content(plain)
    made.add_alternative(formatted, subtype="html")
    assert [text for _, _, text in told(made.as_bytes())][2:] == read_as


def test_a_form_that_cannot_be_read_is_skipped_where_there_is_another_and_refuses_the_mail_where_not() -> None:
    made = message()
    made.set_content("Plain body.")
    made.add_alternative("<unreadable>", subtype="html")
    assert (told(made.as_bytes())[-1][2], read(made.as_bytes()).skipped_parts) == ("Plain body.", 1)
    with pytest.raises(QuarantineError):
        read(made.as_bytes().replace(b"Plain body.", b""))


def test_a_calendar_beside_the_body_is_counted_and_a_file_is_kept() -> None:
    made = message()
    made.set_content("You are invited.")
    made.add_alternative("BEGIN:VCALENDAR\nLOCATION:Room 5\nEND:VCALENDAR\n", subtype="calendar")
    made.add_alternative("<p>You are invited.</p>", subtype="html")
    made.add_alternative("<p>You are invited.</p>", subtype="html")
    form = made.get_payload(3)
    assert isinstance(form, EmailMessage)
    form.add_related(b"x" * 100_000, maintype="image", subtype="png", cid="<map>", filename="map.png")
    made.attach(pdf := EmailMessage())
    pdf.set_content(b"%PDF-", maintype="application", subtype="pdf", filename="plan.pdf")
    assert told(made.as_bytes())[-1][2] == "You are invited."
    assert read(made.as_bytes()).skipped_parts == 1
    assert attached(made.as_bytes()) == [("map.png", b"x" * 100_000), ("plan.pdf", b"%PDF-")]


def test_what_hangs_on_the_form_that_is_not_read_is_kept_too() -> None:
    made = message()
    made.set_content("Plain body.")
    made.add_alternative("<img src='cid:plan'>", subtype="html")
    form = made.get_payload(1)
    assert isinstance(form, EmailMessage)
    form.add_related(
        b"x" * 100_000, maintype="image", subtype="png", cid="<plan>", disposition="inline", filename="plan.png"
    )
    form.add_related(
        b"x" * 1000, maintype="image", subtype="png", cid="<logo>", disposition="inline", filename="logo.png"
    )
    parsed = read(made.as_bytes())
    assert [text for _, _, text in told(made.as_bytes())][-1] == "Plain body."
    assert ([part.name for part in parsed.parts], parsed.skipped_parts) == (["plan.png"], 1)


@pytest.mark.parametrize(
    ("size", "disposition", "parts"),
    [
        (1000, "inline", 0),
        (1000, "attachment", 1),
        (MAX_INLINE_PICTURE_BYTES, "inline", 0),
        (MAX_INLINE_PICTURE_BYTES + 1, "inline", 1),
    ],
)
def test_a_small_picture_inside_the_body_is_no_document(size: int, disposition: str, parts: int) -> None:
    made = message()
    made.set_content("Body.")
    made.add_attachment(
        b"x" * size, maintype="image", subtype="png", cid="<logo>", filename="a.png", disposition=disposition
    )
    parsed = read(made.as_bytes())
    assert (len(parsed.parts), parsed.skipped_parts) == (parts, 1 - parts)


def test_a_message_forwarded_inside_the_body_is_part_of_the_body() -> None:
    made, inner = message(), message("Inner")
    inner.set_content("Inner body.")
    inner.add_attachment(b"%PDF-", maintype="application", subtype="pdf", filename="deep.pdf")
    made.set_content("See below.")
    made.add_attachment(inner, disposition="inline")
    assert [text for _, _, text in told(made.as_bytes())][-3:] == [
        "Inner",
        "From: ada@a.example\nTo: bo@b.example",
        "Inner body.",
    ]
    assert attached(made.as_bytes()) == [("deep.pdf", b"%PDF-")]


def test_an_attached_message_is_a_mail_of_its_own() -> None:
    made, inner = message(), message("Re: the plan")
    inner.set_content("Inner body.")
    made.set_content("See attachment.")
    made.add_attachment(inner)
    ((name, content),) = attached(made.as_bytes())
    assert name == "Re the plan.eml"
    assert [text for _, _, text in told(content)] == [
        "Re: the plan",
        "From: ada@a.example\nTo: bo@b.example",
        "Inner body.",
    ]
    assert "Inner body." not in str(told(made.as_bytes()))


def test_a_tnef_container_is_skipped_and_counted() -> None:
    made = message()
    made.set_content("Body.")
    made.add_attachment(b"\x78\x9f\x3e\x22", maintype="application", subtype="ms-tnef", filename="winmail.dat")
    assert (read(made.as_bytes()).parts, read(made.as_bytes()).skipped_parts) == ((), 1)


@pytest.mark.parametrize(
    ("header", "name"),
    [
        (b'Content-Disposition: attachment; filename="../../etc/passwd"', "passwd"),
        (b"Content-Disposition: attachment; filename*=utf-8''Caf%C3%A9.pdf", "Café.pdf"),
        (b'Content-Disposition: attachment; filename="=?utf-8?q?Caf=C3=A9.pdf?="', "Café.pdf"),
        (b"Content-Disposition: attachment; filename*=no-such''x.pdf", "x.pdf"),
        (b'Content-Type: application/pdf; name="old.pdf"', "old.pdf"),
        (b"Content-Type: application/pdf", "attachment.pdf"),
        (b"Content-Type: application/x-unknown", "attachment"),
    ],
)
def test_an_attachment_has_the_name_that_was_meant_made_safe(header: bytes, name: str) -> None:
    body = b"From: a@b.example\nContent-Type: multipart/mixed; boundary=x\n\n--x\n" + header + b"\n\nwords\n--x--\n"
    if b"Content-Type: application" not in header:
        body = body.replace(header, b"Content-Type: application/octet-stream\n" + header)
    assert attached(body) == [(name, b"words")]


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
    assert (read(signed).skipped_parts, read(signed).parts) == (0, ())


def test_ten_thousand_parts_are_a_bomb() -> None:
    parts = b"--x\n\na\n" * (MAX_PARTS + 1)
    with pytest.raises(QuarantineError) as caught:
        read(b"From: a\nContent-Type: multipart/mixed; boundary=x\n\n" + parts + b"--x--\n")
    assert caught.value.reason == "bomb"
