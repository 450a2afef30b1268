"""A strict reading of YAML: mappings, lists and text, with the line of every key. Nothing is guessed.

Scalars stay text, so that Norway is `no` and `serving: on` is "on"; what they mean is the schema's business. What YAML
offers beyond that is refused: anchors, aliases, tags, directives, several documents, duplicate keys, empty values.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import yaml

from policies.errors import ManifestError

MAX_BYTES = 65_536
"""Chosen: a manifest is a page or two; a larger file is not one."""
MAX_DEPTH = 12
"""Chosen: twice what a manifest needs; deeper nesting is an attack on the reader."""
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})

Value = str | list["Value"] | dict[str, "Value"]
Place = tuple[str | int, ...]
"""The way from the top of a document to a value: keys and list positions."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Document:
    """What a file says. `lines` has the 1-based line of every key and list item, and of the top at `()`."""

    value: Value
    lines: dict[Place, int]


def dotted(place: Place) -> str:
    """The place as people write it: `policy.access.rules[0].match`."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in place)
    return text.removeprefix(".")


def too_large(path: str) -> ManifestError:
    """The refusal of a file over the limit."""
    size = f"The file is larger than {MAX_BYTES // 1024} KiB."
    return ManifestError(size, mend="Split it: one file for each source.", path=path)


def read(text: str, *, path: str) -> Document:
    """The document in `text`; `path` only names it in errors.

    Raises:
        ManifestError: too large, not YAML, or using one of the features refused here.
    """
    if len(text.encode("utf-8", errors="surrogatepass")) > MAX_BYTES:
        raise too_large(path)
    reader = _Reader(path=path, lines={(): 1})
    try:
        value = reader.document(yaml.parse(text, Loader=yaml.SafeLoader))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise ManifestError(
            f"This is not YAML: {error.problem}.",
            mend="Mend the syntax; indent with spaces and put text that holds ': ' or ' #' in quotes.",
            path=path,
            line=mark.line + 1 if mark else 0,
        ) from error
    except yaml.reader.ReaderError as error:
        raise ManifestError(
            "The file holds a character that YAML does not allow.",
            mend="Remove the control character.",
            path=path,
            line=text.count("\n", 0, error.position) + 1,
        ) from error
    return Document(value=value, lines=reader.lines)


def _line(event: yaml.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark else 0


@dataclass(frozen=True, kw_only=True, slots=True)
class _Reader:
    path: str
    lines: dict[Place, int]

    def document(self, events: Iterator[yaml.Event]) -> Value:
        next(events)  # the start of the stream
        start = next(events)
        if not isinstance(start, yaml.DocumentStartEvent):
            raise self._refusal("The file is empty.", "Write the source's manifest into it.", start, ())
        if start.version or start.tags:
            raise self._refusal("A YAML directive is not allowed.", "Remove the line that begins with %.", start, ())
        value = self._value(next(events), events, ())
        next(events)  # the end of the document
        after = next(events)
        if not isinstance(after, yaml.StreamEndEvent):
            raise self._refusal("The file holds a second document.", "Write one file for each source.", after, ())
        return value

    def _value(self, event: yaml.Event, events: Iterator[yaml.Event], place: Place) -> Value:
        self._check_plain(event, place)
        if len(place) > MAX_DEPTH:
            raise self._refusal("The values are nested too deeply.", "Write them flatter.", event, place)
        match event:
            case yaml.ScalarEvent():
                if event.style is None and event.value in _NULLS:
                    raise self._refusal("The value is empty.", "Write a value, or leave the key out.", event, place)
                return str(event.value)
            case yaml.SequenceStartEvent():
                return self._list(events, place)
            case _:
                return self._mapping(events, place)

    def _list(self, events: Iterator[yaml.Event], place: Place) -> list[Value]:
        items: list[Value] = []
        while not isinstance(event := next(events), yaml.SequenceEndEvent):
            here = (*place, len(items))
            self.lines[here] = _line(event)
            items.append(self._value(event, events, here))
        return items

    def _mapping(self, events: Iterator[yaml.Event], place: Place) -> dict[str, Value]:
        values: dict[str, Value] = {}
        while not isinstance(event := next(events), yaml.MappingEndEvent):
            self._check_plain(event, place)
            if not isinstance(event, yaml.ScalarEvent):
                raise self._refusal("A key is not plain text.", "Write a single word before the colon.", event, place)
            here = (*place, str(event.value))
            if here in self.lines:
                raise self._refusal(
                    f"The key stands here and in line {self.lines[here]}.", "Keep one of the two.", event, here
                )
            self.lines[here] = _line(event)
            values[event.value] = self._value(next(events), events, here)
        return values

    def _check_plain(self, event: yaml.Event, place: Place) -> None:
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise self._refusal("Anchors and aliases are not allowed.", "Write the value out.", event, place)
        if getattr(event, "tag", None):
            raise self._refusal("Tags are not allowed.", "Remove the word that begins with !.", event, place)

    def _refusal(self, message: str, mend: str, event: yaml.Event, place: Place) -> ManifestError:
        return ManifestError(message, mend=mend, path=self.path, line=_line(event), key=dotted(place))
