"""Which paths of an origin are a source's, by `include` and `exclude` of its manifest, and where its links begin."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from policies.errors import RefusedError
from policies.globs import check, matches


@dataclass(frozen=True, kw_only=True, slots=True)
class Selection:
    """What is a source's: the paths that a pattern of `include` matches and none of `exclude` does.

    A path with a name that begins with a dot needs a pattern of `include` that has one too.
    """

    include: Sequence[str]
    exclude: Sequence[str]

    def takes(self, path: str) -> bool:
        """Whether a document at `path` is one of the source's."""
        including = [pattern for pattern in self.include if _is_hidden(pattern) or not _is_hidden(path)]
        return _any(including, path) and not _any(self.exclude, path)

    def reaches(self, folder: str) -> bool:
        """Whether a folder may hold documents of the source. One that `exclude` has as `x/**` may not."""
        hidden = _is_hidden(folder) and not any(map(_is_hidden, self.include))
        left_out = _any(self.exclude, folder) or _any([each.removesuffix("/**") for each in self.exclude], folder)
        return not hidden and not left_out


def read_patterns(key: str, value: object) -> tuple[str, ...]:
    """The patterns that a manifest lists under `key`.

    Raises:
        RefusedError: it is no list, an empty one, or holds a pattern that can never match.
    """
    if not isinstance(value, list | tuple) or not value or not all(isinstance(pattern, str) for pattern in value):
        raise RefusedError(
            f"connector.{key} is not a list of patterns.", mend=f'Write a list, such as {key}: ["**/*.md"].'
        )
    for pattern in value:
        check(pattern)
    return tuple(value)


def read_uri_prefix(value: object, *, schemes: Collection[str]) -> str:
    """What a manifest writes for links to begin with.

    Raises:
        RefusedError: it is not the beginning of a link of one of the schemes.
    """
    if (
        not isinstance(value, str)
        or urlsplit(value).scheme not in schemes
        or not value.isprintable()
        or not value.isascii()
        or " " in value
    ):
        raise RefusedError(
            "connector.uri_prefix does not begin a link.", mend="Write one such as https://intranet.example/hr/."
        )
    return value


def _is_hidden(path: str) -> bool:
    """Whether a name of the path begins with a dot. In an object store `.` and `..` are names like any other."""
    return any(part.startswith(".") and part not in {".", ".."} for part in path.split("/"))


def _any(patterns: Sequence[str], path: str) -> bool:
    return any(matches(pattern, path) for pattern in patterns)
