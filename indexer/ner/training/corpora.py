"""Corpora of running text: words with labels where there are names, and text without any."""

import ast
import re
import sysconfig
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

Sentence = list[tuple[str, str]]
"""Words as the corpus has them, each with a label of the tagger, "" for none."""

PERSON, LOCATION, ORGANIZATION = "PERSON", "LOCATION", "ORGANIZATION"
ENOUGH_WORDS, MOST_WORDS = 80, 150
"""A sentence longer than the first ends where no name does, and longer than the second anywhere."""
_MEANS = {
    **dict.fromkeys(("per", "person", "musicalartist", "politician", "researcher", "scientist", "writer"), PERSON),
    **dict.fromkeys(("loc", "location", "country"), LOCATION),
    **dict.fromkeys(
        ("org", "organisation", "university", "band", "politicalparty", "corporation", "group"), ORGANIZATION
    ),
}
"""What the classes of the corpora are to the tagger; every other is no name."""


@dataclass(frozen=True, kw_only=True)
class Corpus:
    """Files below the folder of corpora, the column of the label (of the word: the first but `word`), the licence."""

    name: str
    files: str
    licence: str
    language: str = "en"
    word: int = 0
    label: int = -1


CORPORA = (
    Corpus(name="CrossNER", files="crossner/*/*.txt", licence="MIT"),
    Corpus(name="Wikigold", files="wikigold/*.conllu", licence="CC BY 4.0", word=1),
    Corpus(name="Broad Twitter Corpus", files="open/BTC/CONLL-format/data/*.conll", licence="CC BY 4.0"),
    Corpus(name="WNUT 17", files="open/WNUT17/CONLL-format/data/*/*", licence="CC BY 4.0"),
    Corpus(name="SEC filings", files="open/SEC-filings/CONLL-format/data/*/*", licence="CC BY 3.0"),
    Corpus(name="Europeana Newspapers", files="europeana_fr/*.bio", licence="CC0", language="fr"),
)


def sentences(corpus: Corpus, folder: Path) -> Iterator[Sentence]:
    """The sentences of a corpus, in order; a long one, or a file without blank lines, in pieces."""
    for path in sorted(folder.glob(corpus.files)):
        sentence: Sentence = []
        for line in path.read_text("utf-8", errors="replace").splitlines():
            fields = line.split()
            if len(fields) <= corpus.word + 1 or fields[0] in {"-DOCSTART-", "#"}:
                if sentence:
                    yield sentence
                sentence = []
                continue
            sentence.append((fields[corpus.word], _meaning(fields[corpus.label])))
            if len(sentence) >= (MOST_WORDS if sentence[-1][1] else ENOUGH_WORDS):
                yield sentence
                sentence = []
        if sentence:
            yield sentence


def _meaning(label: str) -> str:
    return _MEANS.get(label.removeprefix("B-").removeprefix("I-").lower(), "")


_CREDIT = re.compile(r"author|written|copyright|contribut|thanks|@|https?:|<|>>>", re.IGNORECASE)
_CAPITALISED = re.compile(r"[A-Z][a-z]+")
CODE_LINES = 6
LEAST_CHARACTERS = 40


def technical(names: Collection[str]) -> Iterator[str]:
    """Documentation and code of Python's standard library (PSF licence): text without people.

    Paragraphs that give credit are left out, and those with one of `names`, in small letters.
    """
    for path in sorted(Path(sysconfig.get_path("stdlib")).glob("*.py")):
        source = path.read_text("utf-8", errors="replace")
        try:
            tree = ast.parse(source)
        except SyntaxError:
            continue
        documented = (ast.Module, ast.ClassDef, ast.FunctionDef)
        texts = [ast.get_docstring(node) or "" for node in ast.walk(tree) if isinstance(node, documented)]
        paragraphs = [part for text in texts for part in text.split("\n\n")]
        lines = source.splitlines()
        paragraphs += ["\n".join(lines[at : at + CODE_LINES]) for at in range(0, len(lines), 10 * CODE_LINES)]
        for paragraph in paragraphs:
            words = {word.lower() for word in _CAPITALISED.findall(paragraph)}
            if len(paragraph) >= LEAST_CHARACTERS and not _CREDIT.search(paragraph) and words.isdisjoint(names):
                yield paragraph.strip()
