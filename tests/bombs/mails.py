"""Mails with more of something than any mail has."""

from tests.bombs.bomb import Bomb

_HEAD = (
    "From: a@example.com\nTo: b@example.com\nSubject: {subject}\n"
    "Date: Mon, 1 Jan 2024 00:00:00 +0000\nMIME-Version: 1.0\n"
)
_LINE = "An ordinary line.\n"


def mail(body: str, *, subject: str = "A mail", kind: str = "text/plain", more: str = "") -> bytes:
    """A mail of one part, with `more` at the end of its header."""
    return f"{_HEAD.format(subject=subject)}{more}Content-Type: {kind}\n\n{body}".encode()


def _many_parts(count: int) -> bytes:
    part = f"--x\nContent-Type: text/plain\n\n{_LINE}"
    return mail(part * count + "--x--\n", kind="multipart/mixed; boundary=x")


def _nested(levels: int, lines: int = 1) -> bytes:
    opening = "".join(f"--b{at}\nContent-Type: multipart/mixed; boundary=b{at + 1}\n\n" for at in range(levels))
    inner = f"--b{levels}\nContent-Type: text/plain\n\n{_LINE * lines}"
    return mail(opening + inner, kind="multipart/mixed; boundary=b0")


def _forwarded(levels: int) -> bytes:
    return mail("Content-Type: message/rfc822\n\n" * levels + f"Subject: at last\n\n{_LINE}", kind="message/rfc822")


_WORD = "=?utf-8?B?w6nDqcOpw6nDqQ==?="

MAILS = (
    Bomb(name="10,000 parts", file="a.eml", outcome="bomb", make=lambda: _many_parts(10_000)),
    Bomb(name="1,000,000 parts", file="a.eml", outcome="bomb", make=lambda: _many_parts(1_000_000)),
    Bomb(name="multiparts 10,000 deep", file="a.eml", outcome="bomb", make=lambda: _nested(10_000)),
    Bomb(
        name="multiparts 100 deep over 100,000 lines", file="a.eml", outcome="read", make=lambda: _nested(100, 100_000)
    ),
    Bomb(
        name="multiparts 15 deep over 2,000,000 lines",
        file="a.eml",
        outcome="too_large",
        make=lambda: _nested(15, 2_000_000),
    ),
    Bomb(name="mails in mails, 10,000 deep", file="a.eml", outcome="bomb", make=lambda: _forwarded(10_000)),
    Bomb(name="mails in mails, 300 deep", file="a.eml", outcome="read", make=lambda: _forwarded(300)),
    Bomb(
        name="a subject of 1,000,000 encoded words",
        file="a.eml",
        outcome="too_large",
        make=lambda: mail(_LINE, subject=f"{_WORD}\n " * 1_000_000 + "x"),
    ),
    Bomb(
        name="a subject of 40 megabytes",
        file="a.eml",
        outcome="too_large",
        make=lambda: mail(_LINE, subject="word " * 8_000_000),
    ),
    Bomb(
        name="one header of 40 megabytes that nobody reads",
        file="a.eml",
        outcome="read",
        make=lambda: mail(_LINE, more=f"X-Long: {'x' * 40_000_000}\n"),
    ),
    Bomb(
        name="a header folded 1,000,000 times",
        file="a.eml",
        outcome="read",
        make=lambda: mail(_LINE, more="X-Folded: x\n" + " folded\n" * 1_000_000),
    ),
    Bomb(
        name="1,000,000 headers", file="a.eml", outcome="read", make=lambda: mail(_LINE, more="X-Many: x\n" * 1_000_000)
    ),
    Bomb(
        name="a type with 100,000 parameters",
        file="a.eml",
        outcome="read",
        make=lambda: mail(_LINE, kind="text/plain" + "".join(f"; x*{at}=a" for at in range(100_000))),
    ),
    Bomb(
        name="a type of 5 megabytes of quotes",
        file="a.eml",
        outcome="read",
        make=lambda: mail(_LINE, kind='text/plain; x="' + '\\"' * 2_500_000),
    ),
    Bomb(
        name="an encoded word that never ends",
        file="a.eml",
        outcome="too_large",
        make=lambda: mail(_LINE, subject="=?utf-8?Q?" * 300_000),
    ),
    Bomb(
        name="a charset that is a codec of bytes",
        file="a.eml",
        outcome="read",
        make=lambda: mail(_LINE, kind="text/plain; charset=zlib"),
    ),
    Bomb(
        name="a charset of punycode",
        file="a.eml",
        outcome="read",
        make=lambda: mail("a" * 500_000 + "-" + "9" * 500_000, kind="text/plain; charset=punycode"),
    ),
    Bomb(
        name="10 megabytes of uuencoded nothing",
        file="a.eml",
        outcome="corrupt",
        make=lambda: mail("begin 666 x\n" + "!!!\n" * 2_500_000, more="Content-Transfer-Encoding: x-uuencode\n"),
    ),
)
