"""Elements of Word, PowerPoint, HTML and Markdown files: the only importer of unstructured."""

import io
from collections.abc import Sequence
from typing import Any

import spacy
from unstructured.nlp import tokenize
from unstructured.partition.docx import partition_docx
from unstructured.partition.html import partition_html
from unstructured.partition.md import partition_md
from unstructured.partition.pptx import partition_pptx

from indexer.formats.elements import Element
from indexer.formats.tables import html_table


def forgo_model() -> None:
    """Have unstructured split sentences by punctuation and know no parts of speech.

    Else it downloads a model at its first document and installs it into site-packages. It asks for verbs to tell a
    narrative from other text, and to take short lines for titles. We use neither: a title is what the format marks as
    one.
    """
    pipeline = spacy.blank("en")
    pipeline.add_pipe("sentencizer")
    tokenize._load_spacy_model = lambda: pipeline  # noqa: SLF001


class Partitioner:
    """unstructured's functions for documents in `languages`; nothing is guessed."""

    def __init__(self, languages: Sequence[str]) -> None:
        # unstructured guesses where it is told nothing: two thirds of its time, and wrong on short text
        self._options: dict[str, Any] = {"languages": list(languages) or [""], "detect_language_per_element": False}

    def docx(self, data: bytes) -> list[Element]:
        """The body of a Word file."""
        return _translate(partition_docx(file=io.BytesIO(data), **self._options))

    def pptx(self, data: bytes) -> list[Element]:
        """The slides with their notes."""
        return _translate(partition_pptx(file=io.BytesIO(data), include_slide_notes=True, **self._options))

    def html(self, text: str) -> list[Element]:
        """The body of a web page."""
        return _translate(partition_html(text=text, **self._options))

    def markdown(self, text: str) -> list[Element]:
        """The body of a Markdown file."""
        return _translate(partition_md(text=text, **self._options))


def _translate(elements: Sequence[Any]) -> list[Element]:
    return [ours for theirs in elements for ours in _translate_one(theirs)]


def _translate_one(element: Any) -> list[Element]:  # noqa: ANN401 - unstructured publishes no types
    page = element.metadata.page_number
    if element.category == "Table" and element.metadata.text_as_html:
        return html_table(element.metadata.text_as_html, page=page)
    match element.category:
        case "Title":
            return [
                Element(text=element.text, kind="title", depth=(element.metadata.category_depth or 0) + 1, page=page)
            ]
        case "ListItem":
            return [Element(text=element.text, kind="list", page=page)]
        case _:
            return [Element(text=element.text, page=page)]
