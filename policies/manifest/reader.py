"""From a manifest file to a Source."""

from functools import lru_cache
from pathlib import Path

from pydantic import ValidationError

from policies.errors import ManifestError
from policies.manifest.mends import explain
from policies.manifest.source import Source
from policies.yamldoc import MAX_BYTES, Document, read, too_large

MANIFESTS_KEPT = 1024
"""Manifests whose sources are remembered: reading one takes milliseconds, and every question needs it."""
JSON_SCHEMA_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def load(path: Path) -> Source:
    """The source that a manifest file describes.

    Raises:
        ManifestError: the file cannot be read or does not load, with line, key and mend of the first problem.
    """
    return parse(read_text(path), path=str(path))


def read_text(path: Path) -> str:
    """The text of a manifest file.

    Raises:
        ManifestError: not a file, unreadable, too large, or not UTF-8.
    """
    try:
        if not path.is_file():
            raise ManifestError("There is no such file.", mend="Check the path.", path=str(path))
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise ManifestError("The file cannot be read.", mend="Check its permissions.", path=str(path)) from error
    if len(raw) > MAX_BYTES:
        raise too_large(str(path))
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise ManifestError("The file is not UTF-8.", mend="Save it as UTF-8.", path=str(path), line=line) from error


@lru_cache(maxsize=MANIFESTS_KEPT)
def parse(text: str, *, path: str) -> Source:
    """The source that the text of a manifest describes; `path` only names it in errors. Pure, and kept: it is frozen.

    Raises:
        ManifestError: it does not load, with line, key and mend of the first problem.
    """
    document = read(text, path=path)
    try:
        return _source(document)
    except ValidationError as error:
        raise explain(error, document, Source, path=path)[0] from None


def check(text: str, *, path: str) -> tuple[ManifestError, ...]:
    """Every problem of the manifest in the order of the file; empty where it loads."""
    try:
        document = read(text, path=path)
    except ManifestError as error:
        return (error,)
    try:
        _source(document)
    except ValidationError as error:
        return tuple(explain(error, document, Source, path=path))
    return ()


def json_schema() -> dict[str, object]:
    """The JSON Schema of a manifest file, for editors. It cannot say what the clauses must agree on; `check` can."""
    return {"$schema": JSON_SCHEMA_DIALECT} | Source.model_json_schema(by_alias=True, mode="validation")


def _source(document: Document) -> Source:
    return Source.model_validate(document.value)
