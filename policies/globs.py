"""Patterns of origin ids: `*` and `?` within a folder, `**` across folders. One reading for rules and connectors.

Ids and patterns are relative, with `/` between folders, and compared by case in Unicode form NFC: a file system may
hand out the decomposed form of a name, and a rule that silently misses it would leave the wider rule in force.
Matching takes time proportional to pattern times id, so that a hostile file name cannot stall it as it can a
regular expression.
"""

import unicodedata
from collections.abc import Callable, Sequence

from policies.errors import RefusedError

MAX_CHARS = 512
_WILD = frozenset("*?")
_UNSUPPORTED = frozenset("[]{}\\")


def check(pattern: str) -> None:
    """Refuse a pattern that no origin id can match, or that would mean something else than it looks like.

    Raises:
        RefusedError: too long, absolute, with an empty, `.` or `..` folder, `**` within a name, or holding a
            bracket, brace or backslash.
    """
    folders = pattern.split("/")
    if len(pattern) > MAX_CHARS:
        raise RefusedError("The pattern is too long.", mend=f"Write at most {MAX_CHARS} characters.")
    if pattern.startswith("!") or not _UNSUPPORTED.isdisjoint(pattern):
        raise RefusedError(
            f"{pattern!r} uses a sign that patterns do not have.",
            mend="Use * and ? within a folder and ** across folders; write one rule for each alternative.",
        )
    if any(folder in {"", ".", ".."} for folder in folders):
        raise RefusedError(
            f"{pattern!r} can never match.",
            mend="Write it relative to the source's root, such as board/**, with no empty, . or .. folder.",
        )
    if any("**" in folder and folder != "**" for folder in folders):
        raise RefusedError(f"{pattern!r} has ** within a name.", mend="Let ** stand alone, such as board/**/minutes-*.")


def matches(pattern: str, origin_id: str) -> bool:
    """Whether the whole id matches. `board/**` matches everything below `board`, `**/x` matches `x` at any depth."""
    folders = _folders(pattern)
    if folders[-1] == "**":
        folders = [*folders, "*"]
    return _match(folders, _folders(origin_id), wildcard="**", same=_same_name)


def covers(earlier: str, later: str) -> bool:
    """Whether `earlier` is seen to match every id that `later` matches. True is certain, False is not."""
    head = earlier.removesuffix("**")
    below = head != earlier and _is_plain(head) and later.startswith(head)
    return earlier == later or below or (_is_plain(later) and matches(earlier, later))


def _is_plain(text: str) -> bool:
    return _WILD.isdisjoint(text)


def _folders(text: str) -> list[str]:
    return unicodedata.normalize("NFC", text).split("/")


def _same_name(pattern: str, name: str) -> bool:
    return _match(pattern, name, wildcard="*", same=lambda sign, char: sign in ("?", char))


def _match(pattern: Sequence[str], items: Sequence[str], *, wildcard: str, same: Callable[[str, str], bool]) -> bool:
    """Greedy matching: of all wildcards only the last one seen ever needs to take one item more."""
    at = item = 0
    resume_at, resume_item = -1, 0
    while item < len(items):
        if at < len(pattern) and pattern[at] == wildcard:
            resume_at, resume_item = at + 1, item
            at += 1
        elif at < len(pattern) and same(pattern[at], items[item]):
            at, item = at + 1, item + 1
        elif resume_at >= 0:
            resume_item += 1
            at, item = resume_at, resume_item
        else:
            return False
    return all(rest == wildcard for rest in pattern[at:])
