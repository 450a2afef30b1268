"""Hostile files, made in memory: nothing is committed as a binary."""

from tests.bombs.archives import OFFICE_FILES, ZIPS
from tests.bombs.bomb import CANARY_TEXT, MAX_CPU_S, Bomb
from tests.bombs.compound import COMPOUNDS
from tests.bombs.images import IMAGES
from tests.bombs.mails import MAILS
from tests.bombs.markup import PAGES
from tests.bombs.pdfs import PDFS
from tests.bombs.texts import RECORDS, TABLES, TEXTS

__all__ = ["BOMBS", "CANARY_TEXT", "MAX_CPU_S", "QUICK_BOMBS", "Bomb"]

BOMBS: tuple[Bomb, ...] = (*ZIPS, *OFFICE_FILES, *PDFS, *MAILS, *COMPOUNDS, *TEXTS, *TABLES, *RECORDS, *PAGES, *IMAGES)

_COSTLY = frozenset(
    {
        ("a.csv", "1,000,000 columns"),
        ("a.csv", "a header of 1,000 names over 10,000 rows"),
        ("a.csv", "a header of 80 letters over 15,000,000 values"),
        ("a.docx", "9,900 parts that the document refers to"),
        ("a.eml", "1,000,000 headers"),
        ("a.eml", "a type with 100,000 parameters"),
        ("a.eml", "multiparts 100 deep over 100,000 lines"),
        ("a.epub", "a spine that names one page 10,000 times"),
        ("a.json", "10,000,000 numbers under a long path"),
        ("a.pdf", "a gigabyte of text, deflated three times"),
        ("a.pdf", "a gigabyte of zeros, deflated three times"),
        ("a.txt", "1,000,000 lines of a mail that is none"),
        ("a.txt", "10,000,000 paragraphs of one letter"),
        ("a.xlsx", "one string of a megabyte in 100,000 cells"),
        ("a.xml", "1,000,000 namespaces"),
        ("a.xml", "5,000,000 elements"),
    }
)
QUICK_BOMBS: tuple[Bomb, ...] = tuple(bomb for bomb in BOMBS if (bomb.file, bomb.name) not in _COSTLY)
"""All but those that cost nearly all of the time or the memory that a document may have."""
