"""reStructuredText to elements, by docutils: what unstructured has pandoc do."""

from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from typing import Any

from docutils import nodes
from docutils.core import publish_doctree, publish_from_doctree
from docutils.parsers import rst
from docutils.parsers.rst import directives, roles
from docutils.writers import html5_polyglot

from indexer.formats.elements import Parsed, quarantine
from indexer.formats.markup.pages import Markup, web_text
from indexer.formats.text import decode

_SETTINGS = {
    "_disable_config": True,
    "doctitle_xform": False,  # a title that stands alone is a title all the same
    "docinfo_xform": False,
    "embed_stylesheet": False,
    "file_insertion_enabled": False,
    "halt_level": 5,
    "initial_header_level": 1,
    "line_length_limit": 2**26,  # by default a file with a line of 10,000 characters comes out empty
    "math_output": "LaTeX",
    "output_encoding": "unicode",
    "raw_enabled": False,
    "report_level": 2,
    "smart_quotes": False,
    "syntax_highlight": "none",
    "warning_stream": False,
    "xml_declaration": False,
}
MAX_DEPTH = 100  # chosen: of indented blocks, each of which docutils copies with all that lies in it
MAX_SUBSTITUTED_CHARS = 2**20  # chosen: what docutils bounds by the limit on a line, which is lifted above


class _Parser(rst.Parser):
    """The parser of docutils, which looks at what substitutions would make before they are made."""

    def finish_parse(self) -> None:
        """Raises QuarantineError: `bomb`."""
        document: Any = self.document
        definitions = {name.lower(): node for name, node in document.substitution_defs.items()}
        sizes: dict[str, int] = {}

        def size(node: Any) -> int:  # noqa: ANN401 - docutils' nodes are not typed
            return len(node.astext()) + sum(size_of(reference["refname"].lower()) for reference in references(node))

        def size_of(name: str) -> int:
            if name not in sizes:
                sizes[name] = 0  # of a circle, which docutils reports
                sizes[name] = size(definitions[name]) if name in definitions else 0
            return sizes[name]

        def references(node: Any) -> list[Any]:  # noqa: ANN401
            return list(node.findall(nodes.substitution_reference))

        if size(document) > MAX_SUBSTITUTED_CHARS + len(document.astext()):
            raise quarantine("bomb")
        super().finish_parse()


def restructured(data: bytes, *, read: Markup) -> Parsed:
    """Headings, lists, tables and code. No other file is included.

    A directive that docutils does not know, such as one of Sphinx's, stays as it is written.
    """
    text = decode(data)
    if _depth(text) > MAX_DEPTH:
        raise quarantine("corrupt")
    with _undone():
        html = _html(text)
    page = web_text(html, read=read)
    return Parsed(kind="rst", title=None, elements=page.elements, skipped_parts=page.skipped_parts)


def _depth(text: str) -> int:
    """How many blocks lie in each other at most, by their indentation."""
    deepest, margins = 0, [-1]
    for line in text.splitlines():
        if words := line.lstrip():
            margin = len(line[: len(line) - len(words)].expandtabs(8))
            while margins[-1] >= margin:
                margins.pop()
            margins.append(margin)
            deepest = max(deepest, len(margins) - 1)
    return deepest


def _html(text: str) -> str:
    tree: Any = publish_doctree(text, parser=_Parser(), settings_overrides=_SETTINGS)
    for section in [node for node in tree.findall(nodes.section) if "system-messages" in node["classes"]]:
        section.parent.remove(section)
    for message in list(tree.findall(nodes.system_message)):  # holds what could not be understood
        message.parent.replace(message, list(message.findall(nodes.literal_block)))
    return str(publish_from_doctree(tree, writer="html5", settings_overrides=_SETTINGS))


@contextmanager
def _undone() -> Iterator[None]:
    """Forget the roles that a document defines, and the classes of its formulas: docutils reads the next by them."""
    tables: list[dict[str, Any]] = [
        vars(roles)["_roles"],
        vars(directives)["_directives"],
        html5_polyglot.HTMLTranslator.math_tags,
    ]
    before = deepcopy(tables)
    try:
        yield
    finally:
        for table, old in zip(tables, before, strict=True):
            table.clear()
            table.update(old)
