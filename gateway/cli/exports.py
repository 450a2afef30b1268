"""Exports of the audit: writing one, and checking one without a home."""

import base64
import os
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli.exits import FINDINGS
from gateway.cli.shell import HomeOption, JsonOption, installation, operator, show, show_json
from policies.errors import RefusedError
from policies.model import Action

if TYPE_CHECKING:
    from policies.transcript import Checked

PUBLIC_KEY_BYTES = 32


def export(
    file: Annotated[Path, typer.Argument(help="File to write, outside the home. It must not be there yet.")],
    *,
    after: Annotated[
        int, typer.Option(min=0, help="Leave out the records up to this one, which another export holds.")
    ] = 0,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write the audit to a file: each record as a line of canonical JSON, and a last line that the home signs.

    Keep it where nobody who can write to the home can: then `audit verify --against` shows a chain that was cut or
    written anew by anybody. There is no filter, because what leaves records out is no chain; see `audit show`.

    Example: [bold]penstock audit export /mnt/worm/audit-2026-11.jsonl[/bold]
    """
    from gateway.wiring import clock
    from policies import ledger, transcript
    from policies.model import AuditEvent

    with installation(home) as opened:
        _refuse_inside(file, opened.home.root)
        now = clock()
        event = AuditEvent(actor=operator(), action=Action.AUDIT_EXPORTED, detail={"after": after})
        with opened.database.writing() as session:
            start = ledger.at(session, after)
            head = ledger.append(session, event, now=now)
        opened.keyring.anchor(head, now=now)
        public_key = opened.keyring.public_key()
        with opened.database.reading() as session:
            lines = transcript.lines(
                ledger.records(session, after=after),
                after=start,
                signer=opened.keyring.sign,
                public_key=public_key,
                now=now,
            )
            written = _write(file, lines)
    key = base64.b64encode(public_key).decode()
    if as_json:
        show_json({"records": written - 1, "after": after, "public_key": key})
    else:
        show(f"{written - 1} records are in {str(file)!r}.")
        show(f"Public key of this home: {key}")


def verify_export(
    file: Annotated[Path, typer.Argument(help="File with an export.", metavar="EXPORT")],
    *,
    key: Annotated[
        str | None,
        typer.Option(help="Public key of the home that must have signed it, in base64.", show_default=False),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Check an export standing alone, without a home: every byte, the chain and the signature.

    Without --key it shows that nothing changed since it was signed, not who signed it. A home's key is printed by
    `audit export`, and by `audit verify --json`.

    Example: [bold]penstock audit verify-export audit.jsonl --key 11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=[/bold]
    """
    found = checked(file, None if key is None else _public_key(key))
    seal = found.seal
    if as_json:
        show_json(
            {
                "after": seal.after.sequence if seal else None,
                "head": seal.head.sequence if seal else None,
                "exported_at": seal.exported_at if seal else None,
                "public_key": base64.b64encode(seal.public_key).decode() if seal else None,
                "problems": [asdict(problem) for problem in found.problems],
            }
        )
    else:
        for problem in found.problems:
            show(str(problem))
        if found.problems or seal is None:
            show("The export does not hold.")
        else:
            show(f"The export holds: records {seal.after.sequence + 1} to {seal.head.sequence}, {seal.exported_at}.")
            whose = "by the key that was named" if key else base64.b64encode(seal.public_key).decode()
            show(f"Signed: {whose}")
    if found.problems:
        raise typer.Exit(FINDINGS)


def checked(file: Path, public_key: bytes | None) -> "Checked":
    """What the check of an export found; see `policies.transcript.check`.

    Raises:
        RefusedError: the file cannot be read.
    """
    from indexer.signature import verify_signature
    from policies import transcript

    try:
        with file.open("rb") as lines:
            return transcript.check(lines, verifier=verify_signature, public_key=public_key)
    except OSError as error:
        raise RefusedError(
            f"{str(file)!r} cannot be read ({type(error).__name__}).", mend="Name an export's file."
        ) from error


def _public_key(text: str) -> bytes:
    try:
        key = base64.b64decode(text, validate=True)
    except ValueError:
        key = b""
    if len(key) != PUBLIC_KEY_BYTES:
        raise RefusedError(
            "--key is no public key.",
            mend="Copy it from what `penstock audit export` or `audit verify --json` printed.",
        )
    return key


def _refuse_inside(file: Path, home: Path) -> None:
    if file.resolve().is_relative_to(home.resolve()):
        raise RefusedError(
            "The export's file lies inside the home, where it would fall with the home.", mend="Name one elsewhere."
        )


def _write(file: Path, lines: Iterable[bytes]) -> int:
    """Write a new file, whole or not at all; the number of lines."""
    written = 0
    try:
        with file.open("xb") as target:
            try:
                for line in lines:
                    target.write(line)
                    written += 1
                target.flush()
                os.fsync(target.fileno())
            except BaseException:
                file.unlink()
                raise
    except OSError as error:
        raise RefusedError(
            f"No export can be written to {str(file)!r} ({type(error).__name__}).",
            mend="Name a new file in a folder you own, on a disk that is not full.",
        ) from error
    return written
