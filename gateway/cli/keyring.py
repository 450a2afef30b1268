"""The keys that everything is sealed with."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli.shell import HomeOption, installation, operator, say
from gateway.settings import key_file, kms_address, read_key_file
from policies.errors import PenstockError, RefusedError

if TYPE_CHECKING:
    from gateway.wiring import Installation
    from indexer.master import MasterKey


def rotate(
    *,
    to: Annotated[
        Path | None,
        typer.Option(
            help="File of another master key, outside the home; made if it is not there. Default: the same master key.",
            show_default=False,
        ),
    ] = None,
    to_kms: Annotated[
        str | None,
        typer.Option(help="NAME:REFERENCE of a key service that is to hold the master key.", show_default=False),
    ] = None,
    home: HomeOption = None,
) -> None:
    """Wrap every key in the keyring anew, by a fresh key that the master key wraps, all at once.

    Servers and workers that run must be started again: until then they answer nothing and write nothing.

    The keys themselves stay what they are. A backup of the keyring from before still opens, with the master key of
    that time, all documents it has the keys of, those among them that were purged since: destroy such backups, or
    every copy of that master key, where that must not be.

    Example: [bold]penstock keyring rotate --to /etc/penstock/master-2027.key[/bold]
    """
    if to is not None and to_kms is not None:
        raise RefusedError("--to and --to-kms name two master keys.", mend="Leave one of the two out.")
    with installation(home) as opened:
        master, where = _next(opened, to, to_kms)
        _record(opened, {"stage": "begun", "master_key": where})
        keys = opened.keyring.rotate(master)
        swept = _sweep(opened)
        _record(opened, {"stage": "finished", "master_key": where, "keys": keys, "swept": swept})
    say(f"Wrapped {keys} keys anew. Start servers and workers of this home again.")
    if to is not None:
        say(f"The master key is {str(to.absolute())!r} now: set PENSTOCK_MASTER_KEY_FILE to it, and keep a copy.")
    elif to_kms is not None:
        say("The master key lies with the key service now: set PENSTOCK_KMS, and nothing else of the kind.")


def _next(opened: "Installation", to: Path | None, to_kms: str | None) -> tuple["MasterKey", str]:
    """The master key from now on, and what the audit calls it."""
    from gateway.wiring import master_key
    from indexer import kms
    from indexer.master import LocalMasterKey, create_master_key
    from indexer.seal import Key

    if to_kms is not None:
        address = kms_address(to_kms)
        return kms.master_key(address), f"kms {address.name}"
    if to is None:
        return master_key(opened.settings), "same"
    path = key_file(to, opened.home.root)
    # One that is there is of a rotation that was stopped, or was made by hand.
    key = Key(read_key_file(path)) if path.exists() else create_master_key(path)
    return LocalMasterKey(key), "file"


def _record(opened: "Installation", detail: dict[str, str | int]) -> None:
    from gateway.wiring import clock
    from policies import ledger
    from policies.model import Action, AuditEvent

    now = clock()
    event = AuditEvent(actor=operator(), action=Action.KEYRING_ROTATED, detail=detail)
    with opened.database.writing() as session:
        head = ledger.append(session, event, now=now)
    opened.keyring.anchor(head, now=now)


def _sweep(opened: "Installation") -> bool:
    try:
        opened.keyring.sweep()
    except PenstockError as error:
        # Whatever it is: the operator has to learn which master key holds now.
        say(f"{error.message} Bytes of how keys were wrapped before may stay in it until the next purge or rotation.")
        return False
    return True
