"""Manifests: checking, planning and applying them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from pydantic import SecretStr

from connectors.registry import connector
from connectors.secrets import Secrets
from gateway.cli.effects import effects_of
from gateway.cli.exits import REFUSED
from gateway.cli.shell import HomeOption, JsonOption, YesOption, confirm, installation, operator, say, show, show_json
from gateway.settings import from_environment
from policies import manifest
from policies.errors import ManifestError, RefusedError
from policies.manifest import Source
from policies.manifest.mends import locate
from policies.model import Caller
from policies.yamldoc import read

if TYPE_CHECKING:
    from gateway.wiring import Installation
    from indexer.register import Effect

ManifestsArgument = Annotated[
    list[Path], typer.Argument(metavar="MANIFEST...", help="Manifest files, or folders of *.yaml and *.yml files.")
]


@dataclass(frozen=True, kw_only=True, slots=True)
class Manifest:
    """A manifest file that loads: its text and the source it describes.

    `warning` says which secret it refers to that this place does not hold, None where all are there.
    """

    path: Path
    text: str
    source: Source
    warning: ManifestError | None = None


@dataclass(frozen=True, kw_only=True)
class _Secrets(Secrets):
    """Notes the references that name nothing here. Where a manifest is checked, its secrets need not be."""

    missing: list[RefusedError] = field(default_factory=list)

    def read(self, reference: object, *, option: str) -> SecretStr:
        """The secret. What is no reference is an error all the same."""
        try:
            return super().read(reference, option=option)
        except RefusedError as error:
            match reference:
                case {"env": str(name), **rest} if not rest and name.isidentifier() and name.isascii():
                    self.missing.append(error)
                case {"file": str(path), **rest} if not rest and path:
                    self.missing.append(error)
                case _:
                    pass
            raise


def check(manifests: ManifestsArgument, *, as_json: JsonOption = False) -> None:
    """Check manifests and list every error with file, line, key and mend. Needs no home and changes nothing.

    Example: [bold]penstock check manifests/[/bold]
    """
    found, errors = read_all(manifests)
    if as_json:
        show_json(
            {
                "sources": sorted(one.source.name for one in found),
                "errors": [_plain_error(error) for error in errors],
                "warnings": [_plain_error(one.warning) for one in found if one.warning],
            }
        )
    else:
        _say_warnings(found)
        for one in found:
            show(f"{one.path}: {one.source.name}, version {one.source.version}, {one.source.state}")
        _say_errors(errors)
    if errors:
        raise typer.Exit(REFUSED)


def plan(
    manifests: ManifestsArgument,
    *,
    documents: Annotated[bool, typer.Option("--documents", help="Name the documents as their origin does.")] = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what applying manifests would change: keys, who gains and loses, what becomes due, where regions clash.

    Changes nothing. Callers are the API keys in force; what tokens say is known only when they come.

    Example: [bold]penstock plan manifests/handbook.yaml[/bold]
    """
    from indexer.register import effect

    found = _loaded(manifests)
    with installation(home) as opened:
        workshop, callers = opened.workshop(), _callers(opened)
        effects = [(one, effect(workshop, one.source, callers=callers)) for one in found]
        shown = [effects_of(opened, one.source, what, named=documents) for one, what in effects]
    if as_json:
        show_json([one.plain() for one in shown])
    else:
        for one in shown:
            one.show(all_keys=True)


def apply(manifests: ManifestsArgument, *, yes: YesOption = False, home: HomeOption = None) -> None:
    """Put manifests in force, after showing what they would change.

    Example: [bold]penstock apply manifests/ --yes[/bold]
    """
    from indexer import register

    found = _loaded(manifests)
    with installation(home) as opened:
        workshop, callers = opened.workshop(), _callers(opened)
        effects = [(one, register.effect(workshop, one.source, callers=callers)) for one in found]
        for one, what in effects:
            effects_of(opened, one.source, what, named=False).show(all_keys=False)
        if any(what.plan.changes for _, what in effects):
            confirm("Apply?", yes=yes)
        for one, what in effects:
            register.apply(workshop, one.source, manifest=one.text, path=one.path.resolve(), actor=operator())
            say(f"{one.source.name}: applied.{_next_step(one, what)}")


def schema() -> None:
    """Print the JSON Schema of a manifest, for editors that complete and check while one writes.

    Example: [bold]penstock schema > manifest.schema.json[/bold]
    """
    show_json(manifest.json_schema())


def read_all(paths: Sequence[Path]) -> tuple[list[Manifest], list[ManifestError]]:
    """The manifests that load, and every error of the others. Two for one source are an error of the second.

    A secret that is missing here is a warning; what the connector asks for after it has then not been looked at.

    Raises:
        RefusedError: a folder holds no manifest.
    """
    found: dict[str, Manifest] = {}
    errors: list[ManifestError] = []
    environment = from_environment(home=None).environment
    for path in _files(paths):
        try:
            text = manifest.read_text(path)
        except ManifestError as error:
            errors.append(error)
            continue
        faults = manifest.check(text, path=str(path))
        if faults:
            errors += faults
            continue
        one = Manifest(path=path, text=text, source=manifest.parse(text, path=str(path)))
        faults = _redaction_faults(one)
        if faults:
            errors += faults
            continue
        one, fault = _with_connector(one, environment)
        fault = fault or _duplicate_fault(one, found.get(one.source.name))
        if fault:
            errors.append(fault)
        else:
            found[one.source.name] = one
    return list(found.values()), errors


def _files(paths: Sequence[Path]) -> list[Path]:
    files: dict[Path, None] = {}
    for path in paths:
        inside = sorted([*path.glob("*.yaml"), *path.glob("*.yml")]) if path.is_dir() else [path]
        if not inside:
            raise RefusedError(f"{str(path)!r} holds no manifest.", mend="Name a folder with *.yaml or *.yml files.")
        files |= dict.fromkeys(inside)
    return list(files)


def _with_connector(one: Manifest, environment: Mapping[str, str]) -> tuple[Manifest, ManifestError | None]:
    """The manifest with its warning, and what is wrong with its connector's options."""
    given = one.source.connector
    secrets = _Secrets(environment=environment, base=one.path.parent)
    try:
        connector(given.kind, given.options, secrets=secrets)
    except RefusedError as error:
        fault = _fault(one, "connector", error.message, mend=error.mend)
        if error in secrets.missing:
            return replace(one, warning=fault), None
        return one, fault
    return one, None


def _redaction_faults(one: Manifest) -> tuple[ManifestError, ...]:
    """What redaction cannot do of what the manifest asks for. Patterns are tried, in a process that takes seconds."""
    clause = one.source.policy.redaction
    if not clause.options:
        return ()
    from indexer import probe, rules

    found = list(rules.problems(clause)) or list(probe.problems(clause))
    document = read(one.text, path=str(one.path))
    return tuple(locate(problem, document, str(one.path)) for problem in found)


def _duplicate_fault(one: Manifest, other: Manifest | None) -> ManifestError | None:
    if other is None:
        return None
    message = f"{str(other.path)!r} describes the source {one.source.name!r} as well."
    return _fault(one, "source", message, mend="Keep one file for each source.")


def _fault(one: Manifest, key: str, message: str, *, mend: str) -> ManifestError:
    line = read(one.text, path=str(one.path)).lines[(key,)]
    return ManifestError(message, mend=mend, path=str(one.path), line=line, key=key)


def _loaded(paths: Sequence[Path]) -> list[Manifest]:
    """The manifests, or the end of the command where one does not load."""
    found, errors = read_all(paths)
    _say_warnings(found)
    if errors:
        _say_errors(errors)
        raise typer.Exit(REFUSED)
    return found


def _say_warnings(found: Sequence[Manifest]) -> None:
    for one in found:
        if one.warning:
            say(f"{one.warning} A warning here, an error where it is synced.")


def _plain_error(error: ManifestError) -> dict[str, object]:
    return {name: getattr(error, name) for name in ("path", "line", "key", "message", "mend")}


def _say_errors(errors: Sequence[ManifestError]) -> None:
    for error in errors:
        say(str(error))
    if errors:
        say(f"{len(errors)} to mend.")


def _callers(opened: "Installation") -> list[Caller]:
    """Whom the API keys in force speak for."""
    from gateway import keys
    from gateway.wiring import clock

    with opened.database.reading() as session:
        return [key.caller() for key in keys.listing(session) if key.is_valid(clock())]


def _next_step(one: Manifest, effect: "Effect") -> str:
    wanted = not effect.documents or effect.plan.needs_reingest or effect.outdated
    return f" Next: penstock sync {one.source.name}" if wanted and one.source.state == "active" else ""
