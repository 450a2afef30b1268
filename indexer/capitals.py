"""Which of a query's terms are written like names."""

import re
from collections.abc import Sequence
from itertools import chain

from indexer.analyse import terms

# A word with a capital that no sentence begins with, or what a name was replaced by. Bounded like the terms themselves.
_NAMES = re.compile(r"\[[A-Z][A-Z0-9_]*_[0-9a-z]{16,64}\]|(?<=[^\s.?!:…] )[A-ZÀ-ÖØ-Þ][\w'’-]{0,63}")


def names(text: str, languages: Sequence[str]) -> frozenset[str]:
    """Those of the terms of `text` that are capitalised inside a sentence, or pseudonyms."""
    return frozenset(chain.from_iterable(terms(match[0], languages) for match in _NAMES.finditer(text)))
