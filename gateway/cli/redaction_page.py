"""A document beside what is left of it, as one page that loads nothing, runs nothing and prints well."""

from collections.abc import Iterator
from html import escape
from itertools import count
from types import MappingProxyType
from typing import Final

from gateway.cli.redaction_style import STYLE
from gateway.cli.shown import Group, Piece, Shown, group, score, visible
from gateway.pagehead import opening
from indexer.reasons import Hidden, Reason, label
from indexer.redact import PSEUDONYM

_CLASSES = {kind: kind.name.lower() for kind in Group}
_LANGUAGES: Final = MappingProxyType({"en": "English", "fr": "French"})


def render(shown: Shown) -> str:
    """The page. Every finding in the original is a link to its line in the table below, and that one leads back."""
    return "".join(_page(shown))


def _page(shown: Shown) -> Iterator[str]:
    name = _text(shown.name)
    # Were an escape missing further down, no script of a document's would run.
    yield opening(f"{name} – what would be hidden", STYLE)
    yield from _head(shown, name)
    yield "<main>\n"
    yield from _beside(shown)
    yield from _reasons(shown)
    yield "</main>\n<footer>Made by penstock redact. The types, scores and places are those of the redaction "
    yield "that documents pass on their way into an index.</footer>\n</body>\n</html>\n"


def _head(shown: Shown, name: str) -> Iterator[str]:
    for_whom = f", as the source {_text(shown.source)}" if shown.source else ""
    languages = " and ".join(_LANGUAGES.get(language, language) for language in shown.languages)
    yield (
        f'<header>\n<h1>{name}</h1>\n<p class="about">What the profile {_text(shown.profile)} hides '
        f"in {_text(languages)}{for_whom}. {_text(shown.key_note())}</p>\n"
    )
    yield '<p class="note">This page holds the document’s own text. Delete it when it has served.'
    if shown.parts:
        yield f" Not shown: files in the document that are documents of their own ({shown.parts})."
    if shown.skipped:
        yield f" Could not be read: parts of it ({shown.skipped})."
    yield '</p>\n<ul class="legend" aria-label="What is hidden, by type">\n'
    ordered = sorted(shown.counts.items(), key=lambda pair: (list(Group).index(group(pair[0])), pair[0]))
    for entity, number in ordered:
        yield f'<li class="{_class(entity)}">{_text(label(entity))} <b>{number:,}</b></li>\n'
    yield "</ul>\n" if shown.counts else "<li>Nothing was found.</li></ul>\n"
    yield "</header>\n"


def _beside(shown: Shown) -> Iterator[str]:
    yield '<table class="beside">\n<thead><tr><th class="place" scope="col">Element</th><th scope="col">Original</th>'
    yield '<th scope="col">Redacted</th></tr></thead>\n<tbody>\n'
    numbers = count(1)
    for piece in shown.pieces:
        yield f'<tr><th scope="row">{_text(piece.place)}</th><td dir="auto">'
        yield from _original(piece, numbers)
        yield '</td><td dir="auto">'
        yield from _redacted(piece)
        yield "</td></tr>\n"
    yield "</tbody></table>\n"


def _original(piece: Piece, numbers: Iterator[int]) -> Iterator[str]:
    for stretch, hidden in piece.stretches():
        if hidden is None:
            yield _text(stretch)
        else:
            number = next(numbers)
            why = "\n".join(map(_sentence, hidden.reasons))
            yield (
                f'<a class="v {_class(hidden.entity)}" id="o{number}" href="#f{number}" data-n="{number}" '
                f'data-why="{_text(why)}" aria-description="{_text(why)}">{_text(stretch)}</a>'
            )


def _redacted(piece: Piece) -> Iterator[str]:
    for stretch, hidden in piece.remains():
        if hidden is None:
            yield _text(stretch)
        else:
            yield f'<span class="v p {_class(hidden.entity)}">{_replacement(stretch)}</span>'


def _replacement(replacement: str) -> str:
    if match := PSEUDONYM.fullmatch(replacement):
        return f"[<b>{match[1]}</b>_<i>{match[2]}</i>]"
    return _text(replacement)


def _reasons(shown: Shown) -> Iterator[str]:
    if not any(piece.hidden for piece in shown.pieces):
        return
    yield '<h2>Why</h2>\n<div class="scroll"><table class="reasons">\n<thead><tr>'
    for column in ("No.", "Element", "At", "Text", "Type", "Found by", "Score", "Why"):
        number = ' class="number"' if column in {"At", "Score"} else ""
        yield f'<th scope="col"{number}>{column}</th>'
    yield "</tr></thead>\n<tbody>\n"
    numbers = count(1)
    for piece in shown.pieces:
        for hidden in piece.hidden:
            yield from _rows(piece, hidden, next(numbers))
    yield "</tbody></table></div>\n"


def _rows(piece: Piece, hidden: Hidden, number: int) -> Iterator[str]:
    last = len(hidden.reasons) - 1
    for index, reason in enumerate(hidden.reasons):
        yield f"<tr{' class=more' if index < last else ''}"
        if index:
            yield '><td colspan="5"></td>'
        else:
            value = piece.original[hidden.start : hidden.end]
            yield (
                f' id="f{number}"><th scope="row"><a href="#o{number}">{number}</a></th><td>{_text(piece.place)}</td>'
                f'<td class="number">{hidden.start:,}</td><td class="value" dir="auto">{_text(value)}</td>'
                f'<td><span class="v {_class(hidden.entity)}">{_text(hidden.entity)}</span></td>'
            )
        yield (
            f'<td>{_text(reason.name)}</td><td class="number">{_text(score(reason))}</td>'
            f"<td>{_text(reason.why.value)}</td></tr>\n"
        )


def _sentence(reason: Reason) -> str:
    sure = f", {score(reason)}" if reason.score is not None else ""
    return f"{reason.name} ({reason.why}{sure})"


def _class(entity: str) -> str:
    return _CLASSES[group(entity)]


def _text(text: str) -> str:
    return escape(visible(text), quote=True)
