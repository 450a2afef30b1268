"""Documents of realistic length, made from the paragraphs of the sample company."""

import html
import io
import random
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import docx
from reportlab.lib.styles import getSampleStyleSheet
from reportlab.platypus import Paragraph, SimpleDocTemplate

SAMPLES = Path("data-samples/documents")
MEDIAN_CHARACTERS = 6000
SPREAD = 0.8
SHORTEST, LONGEST = 800, 40_000
"""Chosen: lengths are log-normal, from a note to a manual, as in the folders of a company."""
PARAGRAPHS_A_SECTION = 5
MIN_PARAGRAPH_CHARACTERS = 80

Sections = Sequence[tuple[str, Sequence[str]]]
"""Titles, each with its paragraphs."""


def write(folder: Path, documents: int, *, seed: int = 1) -> None:
    """Make so many files in a folder, the same ones for the same seed: Word, PDF, HTML, plain text and Markdown."""
    chance = random.Random(seed)  # noqa: S311 - the same documents each time, not a secret
    paragraphs, titles = _samples()
    order = ("docx", "pdf", "html", "docx", "txt", "pdf", "html", "md")
    for number in range(documents):
        wanted = min(max(chance.lognormvariate(0, SPREAD) * MEDIAN_CHARACTERS, SHORTEST), LONGEST)
        taken: list[str] = []
        while sum(map(len, taken)) < wanted:
            taken += chance.sample(paragraphs, k=min(PARAGRAPHS_A_SECTION, len(paragraphs)))
        sections = [
            (chance.choice(titles), taken[first : first + PARAGRAPHS_A_SECTION])
            for first in range(0, len(taken), PARAGRAPHS_A_SECTION)
        ]
        suffix = order[number % len(order)]
        (folder / f"{number:05}.{suffix}").write_bytes(_WRITERS[suffix](sections))


def _samples() -> tuple[list[str], list[str]]:
    paragraphs: list[str] = []
    titles: list[str] = []
    for path in sorted(path for path in SAMPLES.rglob("*") if path.suffix in {".md", ".txt"}):
        for block in path.read_text("utf-8").split("\n\n"):
            text = " ".join(block.split())
            if text.startswith("#"):
                titles.append(text.lstrip("# "))
            elif len(text) >= MIN_PARAGRAPH_CHARACTERS:
                paragraphs.append(text.replace("**", ""))
    return paragraphs, titles


def _docx(sections: Sections) -> bytes:
    document = docx.Document()
    for title, paragraphs in sections:
        document.add_heading(title, level=1)
        for paragraph in paragraphs:
            document.add_paragraph(paragraph)
    buffer = io.BytesIO()
    document.save(buffer)
    return buffer.getvalue()


def _pdf(sections: Sections) -> bytes:
    styles = getSampleStyleSheet()
    flow = []
    for title, paragraphs in sections:
        flow.append(Paragraph(html.escape(title), styles["Heading1"]))
        flow += [Paragraph(html.escape(paragraph), styles["BodyText"]) for paragraph in paragraphs]
    buffer = io.BytesIO()
    SimpleDocTemplate(buffer, invariant=1).build(flow)
    return buffer.getvalue()


def _html(sections: Sections) -> bytes:
    body = "".join(
        f"<h1>{html.escape(title)}</h1>" + "".join(f"<p>{html.escape(paragraph)}</p>" for paragraph in paragraphs)
        for title, paragraphs in sections
    )
    head = "<!doctype html><html><head><meta charset=utf-8><title>Sample</title></head>"
    return f"{head}<body>{body}</body></html>".encode()


def _txt(sections: Sections) -> bytes:
    return "\n\n".join(line for title, paragraphs in sections for line in (title, *paragraphs)).encode()


def _md(sections: Sections) -> bytes:
    return "\n\n".join(line for title, paragraphs in sections for line in (f"# {title}", *paragraphs)).encode()


_WRITERS: Mapping[str, Callable[[Sections], bytes]] = MappingProxyType(
    {"docx": _docx, "pdf": _pdf, "html": _html, "txt": _txt, "md": _md}
)
