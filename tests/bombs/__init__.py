"""Hostile files, made in memory: nothing is committed as a binary."""

from tests.bombs.archives import OFFICE_FILES, ZIPS
from tests.bombs.bomb import CANARY_TEXT, MAX_CPU_S, Bomb
from tests.bombs.compound import COMPOUNDS
from tests.bombs.images import IMAGES
from tests.bombs.mails import MAILS
from tests.bombs.markup import PAGES
from tests.bombs.pdfs import PDFS
from tests.bombs.texts import RECORDS, TABLES, TEXTS

__all__ = ["BOMBS", "CANARY_TEXT", "MAX_CPU_S", "Bomb"]

BOMBS: tuple[Bomb, ...] = (*ZIPS, *OFFICE_FILES, *PDFS, *MAILS, *COMPOUNDS, *TEXTS, *TABLES, *RECORDS, *PAGES, *IMAGES)
