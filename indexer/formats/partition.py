"""Elements of Word, PowerPoint and HTML files: the only importer of unstructured."""

import html
import io
import re
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from indexer.absent import absent
from indexer.formats.elements import Element, quarantine
from indexer.formats.markup.web import flowing
from indexer.formats.tables import html_table

# Seconds of processor for a model library that spaCy takes in wherever it finds it.
with absent("torch"):
    import spacy
    from unstructured.documents.elements import ListItem, Text
    from unstructured.nlp import tokenize
    from unstructured.partition import docx as word
    from unstructured.partition.docx import partition_docx
    from unstructured.partition.html import parser as web
    from unstructured.partition.html import partition_html
    from unstructured.partition.pptx import partition_pptx
    from unstructured.partition.text_type import is_bulleted_text

# What a browser shows as a block of its own, and unstructured drops, or joins to the words around it.
_BLOCKS = (
    *("button", "details", "dialog", "fieldset", "figcaption", "figure", "form", "legend", "menu", "search", "summary"),
    *("optgroup", "option", "select", "textarea"),
    *("tbody", "tfoot", "thead", "tr"),  # outside a table
    "nav",  # only one that never ends comes this far, and with it the rest of the page
)
_CELLS = ("caption", "td", "th")
_IN_LINE = ("label", "object")  # which unstructured drops
_CAPTION = re.compile(r"<caption>(.*?)</caption>")


class _Cell(web.Flow):
    """A cell or caption with its words as a browser shows them: unstructured parts them at each tag."""

    def itertext(self, *_: object, **__: object) -> Iterator[str]:
        yield " ".join(flowing(self).split())


def forgo_model() -> None:
    """Have unstructured know no parts of speech, and not guess which kind of text a paragraph is, or if it matters.

    Else it downloads a model at its first document and installs it into site-packages. It asks for verbs to tell a
    narrative from other text, and to take short lines for titles. We use neither: a title is what the format marks as
    one. The guesses also drop a paragraph of one letter or digit from a web page, and forms, figures and labels whole.
    What is bold in a Word file, which we do not use either, is found with as much work as its text.
    """
    plugins: Any = spacy.util.registry._entry_point_factories  # noqa: SLF001
    plugins.entry_points = False  # Presidio has one, and brings its model libraries
    pipeline = spacy.blank("en")
    pipeline.add_pipe("sentencizer")
    tokenize._load_spacy_model = lambda: pipeline  # noqa: SLF001
    known: Any = web.element_class_lookup.get_namespace(None)
    for names, kind in ((_BLOCKS, web.Flow), (_IN_LINE, web.Phrasing), (_CELLS, _Cell)):
        known.update(dict.fromkeys(names, kind))
    web.derive_element_type_from_text = lambda text: ListItem if is_bulleted_text(text) else Text
    partitioner: Any = word._DocxPartitioner  # noqa: SLF001
    partitioner._parse_paragraph_text_for_element_type = lambda *_: None  # noqa: SLF001
    partitioner._paragraph_emphasis = lambda *_: ([], [])  # noqa: SLF001


class Partitioner:
    """unstructured's functions for documents in `languages`; nothing is guessed."""

    def __init__(self, languages: Sequence[str]) -> None:
        # unstructured guesses where it is told nothing: two thirds of its time, and wrong on short text
        self._options: dict[str, Any] = {"languages": list(languages) or [""], "detect_language_per_element": False}

    def docx(self, data: bytes) -> list[Element]:
        """The body of a Word file."""
        with _refusing_damage():
            return _translate(partition_docx(file=io.BytesIO(data), **self._options))

    def pptx(self, data: bytes) -> list[Element]:
        """The slides with their notes."""
        with _refusing_damage():
            return _translate(partition_pptx(file=io.BytesIO(data), include_slide_notes=True, **self._options))

    def html(self, text: str) -> list[Element]:
        """The body of a web page."""
        return _translate(partition_html(text=text, **self._options))


@contextmanager
def _refusing_damage() -> Iterator[None]:
    """What python-docx and python-pptx raise for a part that is missing or is not what it should be, as `corrupt`."""
    try:
        yield
    except (AttributeError, LookupError, ValueError, zipfile.BadZipFile):
        raise quarantine("corrupt") from None


def _translate(elements: Sequence[Any]) -> list[Element]:
    return [ours for theirs in elements for ours in _translate_one(theirs)]


def _translate_one(element: Any) -> list[Element]:  # noqa: ANN401 - unstructured publishes no types
    page = element.metadata.page_number
    if element.category == "Table" and (rows := element.metadata.text_as_html):
        captions = [html.unescape(caption.replace("<br/>", "\n")) for caption in _CAPTION.findall(rows)]
        return [*(Element(text=caption, page=page) for caption in captions), *html_table(rows, page=page)]
    match element.category:
        case "Title":
            return [
                Element(text=element.text, kind="title", depth=(element.metadata.category_depth or 0) + 1, page=page)
            ]
        case "ListItem":
            return [Element(text=element.text, kind="list", page=page)]
        case _:
            return [Element(text=element.text, page=page)]
