"""Looking at the machine and the installation."""

import platform
import sqlite3
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import typer

from gateway.cli.exits import FINDINGS
from gateway.cli.shell import HomeOption, JsonOption, installation, show, show_json
from policies.errors import PenstockError, SettingsError

MIN_PYTHON = (3, 11)
MIN_SQLITE = (3, 35)
"""Chosen: from 2021, older than any Python 3.11 was built with."""
PACKAGES = ("penstock", "torch", "sentence-transformers", "faiss-cpu", "unstructured", "presidio-analyzer", "fastapi")


@dataclass(frozen=True, kw_only=True, slots=True)
class Checked:
    """What one look found: `detail` says it, `mend` what to do, "" where nothing needs doing."""

    what: str
    ok: bool
    detail: str
    mend: str = ""


def doctor(*, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Check Python, libraries, the models, the sandboxes, the home and its key, and say how to mend what is wrong.

    Example: [bold]penstock doctor[/bold]
    """
    looks: dict[str, Callable[[], str]] = {
        "python": _python,
        "sqlite": _sqlite,
        "packages": _packages,
        "embedding model": _model,
        "processor": _processor,
        "parser sandbox": _parser,
        "redaction sandbox": _detector,
        "home and master key": partial(_home, home),
    }
    found = [_look(what, look) for what, look in looks.items()]
    if as_json:
        show_json([asdict(checked) for checked in found])
    else:
        for checked in found:
            show(f"{'ok   ' if checked.ok else 'WRONG'} {checked.what}: {checked.detail} {checked.mend}".rstrip())
    if not all(checked.ok for checked in found):
        raise typer.Exit(FINDINGS)


def _look(what: str, look: Callable[[], str]) -> Checked:
    try:
        return Checked(what=what, ok=True, detail=look())
    except PenstockError as error:
        return Checked(what=what, ok=False, detail=error.message, mend=error.mend)
    except ImportError as error:
        detail = f"The library {error.name!r} does not load."
        return Checked(what=what, ok=False, detail=detail, mend="Install Penstock again.")


def _python() -> str:
    if sys.version_info < MIN_PYTHON:
        raise SettingsError(f"Python {platform.python_version()} is too old.", mend="Install Python 3.11 or later.")
    return platform.python_version()


def _sqlite() -> str:
    if sqlite3.sqlite_version_info < MIN_SQLITE:
        raise SettingsError(
            f"SQLite {sqlite3.sqlite_version} is too old.", mend="Use a Python that was built with a newer one."
        )
    return sqlite3.sqlite_version


def _packages() -> str:
    try:
        return ", ".join(f"{package} {version(package)}" for package in PACKAGES)
    except PackageNotFoundError as error:
        raise SettingsError(f"The package {error.name} is missing.", mend="Install Penstock again.") from error


def _model() -> str:
    from indexer import embed

    folder = embed.locate_model(None)
    embed.verify_model(folder)
    return f"{embed.MODEL_NAME}, its files are the published ones"


def _processor() -> str:
    from indexer.embed import native_precision

    cpuinfo = Path("/proc/cpuinfo")
    precision = native_precision(cpuinfo.read_text() if cpuinfo.exists() else "")
    return f"{platform.machine()}, embeds in {precision}"


def _parser() -> str:
    from indexer import parse

    with parse.parser() as sandbox:
        parse.parse(sandbox, data=b"A line of text.", name="line.txt", languages=["en"])
    return "starts and parses"


def _detector() -> str:
    from indexer import redact

    with redact.detector() as sandbox:
        redactor = redact.Redactor(sandbox)
        redacted = redactor.redact(["ann@example.com"], key=bytes(32), profile="balanced", languages=["en"])
    if "example.com" in redacted.texts[0]:
        raise SettingsError("An e-mail address was not redacted.", mend="Install Penstock again.")
    return "starts and redacts"


def _home(home: Path | None) -> str:
    with installation(home) as opened:
        node = opened.node
        return f"{opened.home.root}, stored in {node.store_region}, processed in {node.process_region}"
