"""Looking at the machine and the installation."""

import platform
import re
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, entry_points, requires, version
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from gateway.cli.exits import FINDINGS
from gateway.cli.shell import HomeOption, JsonOption, installation, show, show_json
from gateway.cli.sources import described
from policies.errors import PenstockError, SettingsError
from policies.manifest import Source

if TYPE_CHECKING:
    from gateway.wiring import Installation
    from indexer.sandbox import Sandbox
    from indexer.upgrades import Upgrade

MIN_PYTHON = (3, 11)
MIN_SQLITE = (3, 35)
"""Chosen: from 2021, older than any Python 3.11 was built with."""
LOOK_S = 0.2
_REQUIRED = re.compile(r"[A-Za-z0-9._-]+")
_EXTRA = re.compile(r"""extra\s*==\s*["'](?P<extra>[^"']+)""")
KERNEL_LAYERS = ("network namespace", "Landlock", "seccomp")
PACKAGES = ("penstock", "torch", "sentence-transformers", "faiss-cpu", "unstructured", "presidio-analyzer", "fastapi")


@dataclass(frozen=True, kw_only=True, slots=True)
class Checked:
    """What one look found: `detail` says it, `mend` what to do, "" where nothing needs doing."""

    what: str
    ok: bool
    detail: str
    mend: str = ""


def doctor(*, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Check Python, libraries, models, sandboxes, the home, its databases and its workers, and say how to mend a fault.

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
        "text in pictures": _tesseract,
        "connectors": _connectors,
        "law": _law,
    }
    found = [*(_look(what, look) for what, look in looks.items()), *look_at_reader(), *look_inside(home)]
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
        return f"starts and parses, {confinement(sandbox)}"


def _detector() -> str:
    from gateway.settings import upgrades_from_environment
    from indexer import redact
    from indexer.rules import BALANCED

    upgrades = upgrades_from_environment()
    with redact.detector(upgrades) as sandbox:
        redactor = redact.Redactor(sandbox, upgrades)
        redacted = redactor.redact(["ann@example.com"], key=bytes(32), rules=BALANCED)
        confined = confinement(sandbox)
    if "example.com" in redacted.texts[0]:
        raise SettingsError("An e-mail address was not redacted.", mend="Install Penstock again.")
    read_by = "".join(f"; names are read by {upgrade} too{_reading(upgrade)}" for upgrade in upgrades)
    return f"starts and redacts, {confined}{read_by}"


def look_at_reader() -> Iterator[Checked]:
    """What a look at the reader of passages finds; nothing where none is named."""
    found = _look("reader of passages", _reader)
    if found.detail:
        yield found


def _reader() -> str:
    from gateway.settings import reader_from_environment
    from gateway.wiring import LazyStages

    choice = reader_from_environment()
    if choice is None:
        return ""
    with ExitStack() as resources:
        stages = LazyStages(resources, ())
        reader = choice.reader(lambda: stages.embedder)
        resources.callback(reader.close)
        reader.score("What is read?", ["A line of text."])
    return f"{reader.name} reads the first passages for the confidence"


def _reading(upgrade: "Upgrade") -> str:
    return f", which covers {', '.join(sorted(upgrade.languages))}" if upgrade.languages else ""


def confinement(sandbox: "Sandbox") -> str:
    """What confines its process here, and what might but does not."""
    layers = sandbox.layers()
    lacking = [name for name in KERNEL_LAYERS if not any(layer.startswith(name) for layer in layers)]
    confined = f"confined by {', '.join(layers)}" if layers else "confined by no layer of the kernel's"
    return f"{confined}; not in effect here: {', '.join(lacking)}" if lacking else confined


def _tesseract() -> str:
    from indexer import ocr

    languages = ocr.available()
    if not languages:
        return "Tesseract is not installed, so scanned pages and pictures are quarantined"
    return f"Tesseract reads {', '.join(sorted(languages))}"


def _connectors() -> str:
    """The kinds that manifests can name, and the extras of Penstock that are not installed."""
    from connectors.registry import GROUP

    kinds = ", ".join(sorted({offer.name for offer in entry_points(group=GROUP)}))
    lacking: set[str] = set()
    for requirement in requires("penstock") or ():
        extra = _EXTRA.search(requirement)
        name = _REQUIRED.match(requirement)
        if extra and name and extra["extra"] != "dev" and not _is_installed(name[0]):
            lacking.add(extra["extra"])
    return kinds + "".join(f"; for {extra}: pip install 'penstock[{extra}]'" for extra in sorted(lacking))


def _law() -> str:
    """How old the tables of the law are, and how many of their rows no source was found to say."""
    from policies import facts

    oldest = min(table.compiled_on for table in facts.tables().values())
    return f"tables of {oldest}; not compared with a source: {'; '.join(facts.unsure()) or 'none'}"


def _is_installed(package: str) -> bool:
    try:
        version(package)
    except PackageNotFoundError:
        return False
    return True


def look_inside(home: Path | None) -> Iterator[Checked]:
    """What a look into the home finds; one fault where it does not open."""
    what = "home and master key"
    try:
        with installation(home) as opened:
            yield _look(what, partial(_home, opened))
            yield _look("catalog", partial(_catalog, opened))
            yield _look("clock", partial(_clock, opened))
            yield _look("jobs", partial(_jobs, opened))
            yield _look("workers", partial(_workers, opened))
    except PenstockError as error:
        yield Checked(what=what, ok=False, detail=error.message, mend=error.mend)


def _home(opened: "Installation") -> str:
    node = opened.node
    stored = ", ".join(sorted(region or "a region nobody named" for region in node.store_regions))
    return f"{opened.home.root}, stored in {stored}, processed in {node.process_region}, logs in {node.system_region}"


def _catalog(opened: "Installation") -> str:
    from indexer import catalog

    with opened.database.reading() as session:
        sources = catalog.registrations(session)
    answer = f"{opened.database.name} answers, {len(sources)} sources"
    return ". But: ".join([answer, *(caveat.rstrip(".") for caveat in opened.database.caveats())])


def _clock(opened: "Installation") -> str:
    from gateway.wiring import clock
    from policies import ledger

    with opened.database.reading() as session:
        ledger.require_time(session, clock())
    return "not behind the audit"


def _jobs(opened: "Installation") -> str:
    from indexer import joblog

    engine = opened.jobs().queues.engine
    with opened.database.reading() as session:
        open_jobs = joblog.jobs(session, states=joblog.OPEN)
    return f"their database answers ({engine.dialect.name}), {len(open_jobs)} open jobs"


def _workers(opened: "Installation") -> str:
    """How many live, where one is needed: for jobs that wait or ran somewhere, or for schedules."""
    from indexer import catalog, joblog

    with opened.database.reading() as session:
        sources = [described(registered) for registered in catalog.registrations(session)]
        jobs = joblog.jobs(session, states=joblog.UNDER_WAY)
    scheduled = [source.name for source in sources if _has_schedule(source)]
    live = _live_workers(opened)
    if live:
        return f"{live} alive"
    if jobs:
        raise SettingsError(f"No worker is alive, and {len(jobs)} jobs wait for one.", mend="Run: penstock worker")
    if scheduled:
        names = ", ".join(scheduled)
        raise SettingsError(f"No worker is alive to follow the schedules of {names}.", mend="Run: penstock worker")
    return "none is alive, none is needed"


def _has_schedule(source: Source) -> bool:
    schedule = source.schedule
    reads = schedule.sync or (schedule.permissions and source.mirrors_access)
    return bool(schedule.purge or (reads and source.state == "active"))


def _live_workers(opened: "Installation") -> int:
    """How many beat while one looks. Where one of another machine does not, looking takes a heartbeat."""
    from indexer import joblog
    from indexer.liveness import DeathWatch
    from indexer.worker import HEARTBEAT_S

    watch = DeathWatch(patience_s=HEARTBEAT_S)
    while True:
        with opened.database.reading() as session:
            workers = [worker for worker in joblog.workers(session) if not watch.is_dead(worker)]
        if all(map(watch.has_beaten, workers)):
            return len(workers)
        time.sleep(LOOK_S)
