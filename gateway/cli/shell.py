"""What the commands share: options, the installation, and two streams: results on stdout, messages on stderr."""

import json
import os
import pwd
import sys
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from gateway.settings import from_environment
from policies.errors import RefusedError
from policies.model import Caller, Role

if TYPE_CHECKING:
    from gateway.wiring import Installation

HomeOption = Annotated[
    Path | None,
    typer.Option(
        "--home", help="Folder of the home. Default: PENSTOCK_HOME, else .penstock/home here.", show_default=False
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON on standard output, for scripts.")]
PersonOption = Annotated[
    str | None,
    typer.Option(
        "--key",
        help="File with an API key, - for standard input: acts as the person it proves, who needs the role privacy.",
        show_default=False,
    ),
]
YesOption = Annotated[bool, typer.Option("--yes", help="Do not ask.")]


@dataclass(kw_only=True)
class Run:
    """What the options before the command say. Set by them, read where the run ends."""

    debug: bool = False


@contextmanager
def installation(home: Path | None, *, deleting: bool = False) -> Iterator["Installation"]:
    """The installation in `home`, or where the environment says.

    Where it is opened for `deleting`, a full disk gets the room back that was set aside for it.

    Raises:
        SettingsError: there is none, or it cannot be opened with the settings there are.
    """
    from gateway.wiring import open_installation

    settings = from_environment(home=home)
    with ExitStack() as stack:
        if deleting:
            from indexer import home as homes
            from indexer import room

            stack.enter_context(room.found(homes.find(settings.home)))
        yield stack.enter_context(open_installation(settings))


def operator() -> str:
    """The actor that the audit names: the user this process runs as, whatever the environment says."""
    user = os.geteuid()
    try:
        return f"operator:{pwd.getpwuid(user).pw_name}"
    except KeyError:  # a container may run as a user that no password file knows
        return f"operator:uid-{user}"


def person(opened: "Installation", key: str | None) -> str:
    """The actor that the audit names: whoever an API key proves, with the role privacy; without one, this operator.

    Raises:
        UnauthenticatedError: the key proves nobody. RefusedError: it lacks the role.
    """
    return operator() if key is None else proven(opened, key)


def proven(opened: "Installation", key: str) -> str:
    """Whoever an API key proves, with the role privacy. Raises as `person` does."""
    return f"caller:{holder(opened, key, Role.PRIVACY).subject}"


def holder(opened: "Installation", key: str, role: Role) -> Caller:
    """The caller that an API key proves, in the file of this name or on standard input, who has this role.

    Raises:
        UnauthenticatedError: the key proves nobody. RefusedError: it lacks the role.
    """
    from gateway import keys
    from gateway.wiring import clock

    presented = sys.stdin.readline().strip() if key == "-" else _read_key(Path(key))
    with opened.database.reading() as session:
        caller = keys.find(session, presented, clock())
    if role not in caller.roles:
        raise RefusedError(
            f"This needs the role {role}.", mend=f"Use a key that has it: penstock key create --role {role}"
        )
    return caller


def _read_key(path: Path) -> str:
    try:
        return path.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise RefusedError(
            f"The key file {str(path)!r} cannot be read.", mend="Name a file with an API key."
        ) from error


def say(message: str) -> None:
    """A message, on stderr."""
    typer.echo(printable(message), err=True)


def show(result: str) -> None:
    """A line of a result, on stdout."""
    typer.echo(printable(result))


def show_json(value: object) -> None:
    """A result for scripts, on stdout. Times and sets have to be written out before."""
    typer.echo(json.dumps(value, indent=2))


def show_table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, whole: Collection[str] = ()) -> None:
    """A result in columns, on stdout. Numbers stand to the right; cells too wide are folded, never cut.

    The columns in `whole` are never folded: ids that are to be copied.
    """
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold", no_wrap=column in whole)
    for row in rows:
        table.add_row(*(_cell(value) for value in row))
    Console().print(table)


def printable(text: str) -> str:
    """The text with whatever could steer a terminal written out. Names in an origin are anybody's."""
    return "".join(
        character if character.isprintable() or character == "\n" else ascii(character)[1:-1] for character in text
    )


def confirm(question: str, *, yes: bool) -> None:
    """Return if the operator agrees, by `yes` or at the terminal.

    Raises:
        RefusedError: there is nobody to ask, or the operator says no.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise RefusedError("There is no terminal to ask at, so nothing was done.", mend="If it is right, add --yes.")
    if not typer.confirm(question, err=True):
        raise RefusedError("Nothing was done.", mend="Run the same command again if it should be.")


def _cell(value: object) -> Text:
    if isinstance(value, int):
        return Text(f"{value:,}", justify="right")
    return Text(printable(str(value)))
