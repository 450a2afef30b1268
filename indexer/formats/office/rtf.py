"""Rich Text Format to elements, after the specification of version 1.9.1.

striprtf gives one string, in which headings, cells and fields can no longer be told from text.
"""

import codecs
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

from indexer.formats.elements import Element, Parsed, quarantine
from indexer.formats.office.flow import Flow, Paragraph

MAX_GROUPS = 500  # chosen: open at once; Word writes 12 at most

_TOKEN = re.compile(
    r"\\(?P<word>[a-zA-Z]{1,32})(?P<number>-?\d{1,10})? ?"
    r"|\\'(?P<hex>[0-9a-fA-F]{2})|\\(?P<symbol>[^a-zA-Z'])|(?P<brace>[{}])|[\r\n]+|(?P<text>[^\\{}\r\n]+)|\\"
)
_HEADING = re.compile(r"heading (\d)", re.IGNORECASE)
_SYMBOLS: Mapping[str, str] = {"~": "\xa0", "_": "-", "\\": "\\", "{": "{", "}": "}"}
_WORDS: Mapping[str, str] = {
    "bullet": "•",
    "emdash": "—",
    "emspace": " ",
    "endash": "–",
    "enspace": " ",
    "ldblquote": "“",
    "line": "\n",
    "lquote": "‘",
    "rdblquote": "”",
    "rquote": "’",
    "tab": "\t",
}
# Groups whose text is none of the document's. Any group that begins with \* is one too, but for _KNOWN.
_SKIPPED = frozenset(
    {"colortbl", "filetbl", "fldinst", "nonshppict", "objdata", "pict", "private", "revtbl", "shprslt", "sp", "tc"}
    | {"tcn", "xe", "rxe", "themedata", "comment", "txe", "datafield", "ftnsep", "ftnsepc", "aftnsep", "aftnsepc"}
)
_KNOWN = frozenset({"annotation", "shpinst"})
# Text that belongs to no paragraph; it ends the document.
_ASIDES = frozenset({"annotation", "footnote", "shptxt"}) | {
    f"{place}{pages}" for place in ("header", "footer") for pages in ("", "f", "l", "r")
}
_CHARSETS: Mapping[int, str] = {
    0: "cp1252",
    77: "mac_roman",
    128: "cp932",
    129: "cp949",
    134: "gb18030",
    136: "big5",
    161: "cp1253",
    162: "cp1254",
    163: "cp1258",
    177: "cp1255",
    178: "cp1256",
    186: "cp1257",
    204: "cp1251",
    222: "cp874",
    238: "cp1250",
}


def rtf(data: bytes) -> Parsed:
    """Headings by style or outline level, lists, rows with their header; notes, boxes, headers and footers at the end.

    Embedded objects are counted, and what they show is read.

    Raises:
        QuarantineError: `corrupt` for what is nested deeper than MAX_GROUPS.
    """
    reader = _Reader()
    reader.feed(data.decode("latin-1"))
    return Parsed(kind="rtf", title=reader.title, elements=tuple(reader.finish()), skipped_parts=reader.objects)


@dataclass(frozen=True, kw_only=True)
class _Group:
    """What a brace keeps: it is as it was when its group ends."""

    skipped: bool = False
    starred: bool = False
    deleted: bool = False
    destination: str = ""
    encoding: str = ""
    fallback_chars: int = 1


class _Reader:
    def __init__(self) -> None:
        self.title: str | None = None
        self.objects = 0
        self._group = _Group(encoding="cp1252")
        self._encoding = self._group.encoding  # of the document: what has no font with a character set is in it
        self._groups: list[_Group] = []
        self._body = Flow()
        self._flows = [self._body]
        self._asides: list[Element] = []
        self._fonts: dict[int, str] = {}
        self._styles: dict[int, int] = {}
        self._entry = 0  # the font or style that is being defined
        self._ignored_chars = 0
        self._decoder: codecs.IncrementalDecoder | None = None
        self._decoding = ""
        self._commands: Mapping[str, Callable[[int], None]] = {
            "ansicpg": lambda number: self._default(f"cp{number}"),
            "cell": lambda _: self._flow.end_cell(),
            "deleted": lambda number: self._set(deleted=number != 0),
            "f": self._font,
            "fcharset": self._charset,
            "intbl": lambda _: setattr(self._flow.paragraph, "in_table", True),
            "listtext": lambda _: self._bullet(),
            "ls": lambda number: setattr(self._flow.paragraph, "listed", number > 0),
            "mac": lambda _: self._default("mac_roman"),
            "nestcell": lambda _: self._write(" "),
            "object": lambda _: self._count_object(),
            "outlinelevel": self._outline,
            "par": lambda _: self._end_paragraph(),
            "pard": lambda _: self._reset(),
            "pc": lambda _: self._default("cp437"),
            "pca": lambda _: self._default("cp850"),
            "plain": lambda _: self._set(deleted=False, encoding=self._encoding),
            "pntext": lambda _: self._bullet(),
            "row": lambda _: self._flow.end_row(),
            "s": self._style,
            "sect": lambda _: self._end_paragraph(),
            "page": lambda _: self._end_paragraph(),
            "u": self._unicode,
            "uc": lambda number: self._set(fallback_chars=max(number, 0)),
        }

    def feed(self, text: str) -> None:
        at = 0
        while token := _TOKEN.match(text, at):
            at = token.end()
            word, number = token["word"], token["number"]
            if token["brace"]:
                self._open() if token["brace"] == "{" else self._close()
            elif word == "bin" and number:
                at += max(int(number), 0)
            elif not self._group.skipped:
                self._read(token, word, int(number) if number else None)

    def finish(self) -> Iterator[Element]:
        while self._groups:  # a file that was cut short
            self._close()
        self._end_flow()
        yield from self._body.elements
        yield from self._asides

    @property
    def _flow(self) -> Flow:
        return self._flows[-1]

    def _read(self, token: re.Match[str], word: str | None, number: int | None) -> None:
        if word:
            self._flush()
            if self._ignored_chars:
                self._ignored_chars -= 1
            elif word in _WORDS:
                self._write(_WORDS[word])
            else:
                self._command(word, number)
        elif token["hex"]:
            self._bytes(bytes.fromhex(token["hex"]))
        elif token["text"]:
            self._bytes(token["text"].encode("latin-1"))
        elif token["symbol"] == "*":
            self._set(starred=True)
        elif token["symbol"] in {"\n", "\r"}:
            self._end_paragraph()
        elif token["symbol"] in _SYMBOLS:
            self._flush()
            self._write(_SYMBOLS[token["symbol"]])

    def _command(self, word: str, number: int | None) -> None:
        if word in _SKIPPED or (self._group.starred and word not in _KNOWN):
            self._set(skipped=True)
        elif word in _ASIDES:
            self._set(destination="aside", starred=False)
            self._flows.append(Flow())
        elif word in {"fonttbl", "info", "stylesheet", "title"}:
            self._set(destination=word)
        elif word in self._commands:
            self._commands[word](1 if number is None else number)
        if self._group.starred:
            self._set(starred=False)

    def _set(self, **changes: bool | int | str) -> None:
        self._group = replace(self._group, **changes)  # type: ignore[arg-type]

    def _open(self) -> None:
        self._flush()
        if len(self._groups) >= MAX_GROUPS:
            raise quarantine("corrupt")
        self._groups.append(self._group)
        if self._group.destination == "aside":  # ends with the group that began it
            self._set(destination="")

    def _close(self) -> None:
        self._flush()
        self._ignored_chars = 0
        ended = self._group
        if ended.destination == "aside" and not ended.skipped:
            self._end_flow()
            self._asides += self._flows.pop().elements
        elif ended.destination in {"stylesheet", "title"} and not ended.skipped:
            self._end_entry(ended.destination)
        if self._groups:
            self._group = self._groups.pop()

    def _end_entry(self, destination: str) -> None:
        text = "".join(self._flow.paragraph.text).strip("; \t\n")
        self._flow.paragraph.text = []
        if destination == "title":
            self.title = self.title or text
        elif heading := _HEADING.match(text):
            self._styles.setdefault(self._entry, int(heading[1]))

    def _end_paragraph(self) -> None:
        self._flush()
        paragraph = self._flow.paragraph
        self._flow.end_paragraph(paragraph.depth or self._styles.get(paragraph.style, 0))

    def _end_flow(self) -> None:
        self._end_paragraph()
        self._flow.end_table()

    def _reset(self) -> None:
        if self._group.destination != "stylesheet":
            self._flow.paragraph = Paragraph(text=self._flow.paragraph.text)

    def _bullet(self) -> None:
        self._flow.paragraph.listed = True
        self._set(skipped=True)

    def _outline(self, level: int) -> None:
        depth = level + 1 if 0 <= level < 9 else 0  # noqa: PLR2004 - 9 is body text
        if self._group.destination == "stylesheet":
            self._styles[self._entry] = depth
        else:
            self._flow.paragraph.depth = depth

    def _style(self, number: int) -> None:
        if self._group.destination == "stylesheet":
            self._entry = number
        else:
            self._flow.paragraph.style = number

    def _font(self, number: int) -> None:
        if self._group.destination == "fonttbl":
            self._entry = number
        else:
            self._set(encoding=self._fonts.get(number, self._encoding))

    def _charset(self, number: int) -> None:
        if number in _CHARSETS:
            self._fonts[self._entry] = _CHARSETS[number]

    def _default(self, encoding: str) -> None:
        try:
            codecs.lookup(encoding)
        except LookupError:
            return
        self._encoding = encoding
        self._set(encoding=encoding)

    def _count_object(self) -> None:
        self.objects += 1

    def _unicode(self, number: int) -> None:
        self._write(chr(number % 2**16))
        self._ignored_chars = self._group.fallback_chars

    def _bytes(self, content: bytes) -> None:
        if self._ignored_chars:
            ignored = min(self._ignored_chars, len(content))
            self._ignored_chars -= ignored
            content = content[ignored:]
            if not content:
                return
        if self._decoder is None or self._decoding != self._group.encoding:
            self._flush()
            self._decoding = self._group.encoding
            self._decoder = codecs.getincrementaldecoder(self._decoding)("replace")
        self._write(self._decoder.decode(content))

    def _flush(self) -> None:
        """End a character that was cut in the middle."""
        if self._decoder is not None:
            self._write(self._decoder.decode(b"", final=True))
            self._decoder = None

    def _write(self, text: str) -> None:
        if self._group.destination not in {"fonttbl", "info"} and not self._group.deleted:
            self._flow.paragraph.text.append(text)
