"""What would be hidden in a document, and why: for the operator, at his own terminal."""

import os
import secrets
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from gateway.cli.shell import HomeOption, JsonOption, installation, operator, say, show, show_json
from gateway.cli.sources import described
from policies.errors import QuarantineError, RefusedError
from policies.model import SourceName

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.cli.shown import Shown
    from gateway.wiring import Installation
    from indexer.formats.elements import Parsed
    from indexer.ingest import Stages
    from indexer.reasons import Hidden
    from indexer.rules import RedactionRules
    from policies.manifest import Source

LANGUAGES: Final = ("en", "fr")
"""What is read without --language. A test holds it equal to what redaction covers."""
_PROFILE: Final = "balanced"
_KEY_BYTES: Final = 32
_STANDARD_INPUT: Final = "standard-input.txt"


@dataclass(frozen=True, kw_only=True, slots=True)
class _Rules:
    """By what a document is redacted."""

    redaction: "RedactionRules"
    max_bytes: int
    key: bytes
    source: "Source | None" = None


def redact(  # noqa: PLR0913 - every option of a command is an argument
    file: Annotated[str, typer.Argument(help="A document of any format that Penstock reads; - for plain text.")],
    *,
    explain: Annotated[
        bool, typer.Option("--explain", help="Show original and redacted side by side, and why each value is hidden.")
    ] = False,
    source: Annotated[
        str | None,
        typer.Option("--source", help="Redact as this source does, with its pseudonyms.", show_default=False),
    ] = None,
    profile: Annotated[
        str | None,
        typer.Option("--profile", help="identifiers, balanced or strict. Default: balanced.", show_default=False),
    ] = None,
    language: Annotated[
        list[str] | None,
        typer.Option("--language", help="A language of the document; can be repeated. Default: en and fr."),
    ] = None,
    html: Annotated[
        Path | None,
        typer.Option("--html", help="Write original, redacted and reasons as a page that only you can read."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the page if there is one.")] = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what would be hidden in a document and why. Nothing is stored.

    The redacted text goes to standard output, the counts by type to standard error. --explain, --html, and --json
    with --explain show the document's own text too. Without --source no home is needed.

    Example: [bold]penstock redact letter.docx --explain[/bold]
    """
    if html is not None:
        _check_page(html, force=force)
    wants_reasons = explain or html is not None
    with ExitStack() as stack:
        opened = stack.enter_context(installation(home)) if source is not None else None
        rules = _of_source(opened, source, profile, language) if opened and source else _given(profile, language)
        shown = _shown(opened.stages if opened else _stages(stack), rules, file, explain=wants_reasons)
        if opened and rules.source:
            _record(opened, rules.source, shown)
    if html is not None:
        _write_page(html, shown, force=force)
    _print(shown, explain=explain, as_json=as_json, page=html)


def _given(profile: str | None, languages: list[str] | None) -> _Rules:
    """The rules that the options give.

    Raises:
        RefusedError: there are none such.
    """
    from indexer.parse import MAX_DOCUMENT_BYTES
    from indexer.recognisers import PROFILES
    from indexer.rules import RedactionRules

    hiding = [name for name, entities in PROFILES.items() if entities]
    wanted = profile or _PROFILE
    if wanted not in hiding:
        raise RefusedError(f"The profile {wanted!r} hides nothing.", mend=f"Use one of {', '.join(hiding)}.")
    _check_languages(languages or LANGUAGES)
    return _Rules(
        redaction=RedactionRules(profile=wanted, languages=tuple(languages or LANGUAGES)),
        max_bytes=MAX_DOCUMENT_BYTES,
        key=secrets.token_bytes(_KEY_BYTES),
    )


def _of_source(opened: "Installation", name: str, profile: str | None, languages: list[str] | None) -> _Rules:
    """The rules of a source's manifest, with its key.

    Raises:
        RefusedError: there is no such source, it hides nothing, or other rules were given as well.
        IntegrityError: its key is lost.
    """
    from indexer import catalog
    from indexer.parse import MAX_DOCUMENT_BYTES
    from indexer.rules import RedactionRules

    if profile or languages:
        raise RefusedError(
            "A source has its profile and languages.", mend="Leave out --profile and --language, or --source."
        )
    with opened.database.reading() as session:
        source = described(catalog.require(session, SourceName(name)))
    redaction = source.policy.redaction
    if redaction.profile == "none":
        raise RefusedError(
            f"{name!r} has the profile 'none': its documents are kept as they are.",
            mend="Leave out --source, and see what another profile would hide with --profile.",
        )
    _check_languages(redaction.languages)
    return _Rules(
        redaction=RedactionRules.of(redaction),
        max_bytes=min(MAX_DOCUMENT_BYTES, source.limits.max_document_bytes),
        source=source,
        key=opened.keyring.pseudonym_key(source.name),
    )


def _check_languages(languages: "Sequence[str]") -> None:
    from gateway.settings import upgrades_from_environment
    from indexer import upgrades

    covered = sorted({*LANGUAGES, *upgrades.covered(upgrades_from_environment())})
    for language in languages:
        if language not in covered:
            raise RefusedError(
                f"Redaction does not cover the language {language!r}.", mend=f"It covers {', '.join(covered)}."
            )


def _stages(stack: ExitStack) -> "Stages":
    from gateway.settings import upgrades_from_environment
    from gateway.wiring import LazyStages

    return LazyStages(stack, upgrades_from_environment())


def _shown(stages: "Stages", rules: _Rules, file: str, *, explain: bool) -> "Shown":
    from indexer.parse import parse

    name, data = _read(file, max_bytes=rules.max_bytes)
    try:
        parsed = parse(stages.parser, data=data, name=name, languages=rules.redaction.languages, ocr=stages.ocr)
        return _redacted(stages, rules, parsed, name, explain=explain)
    except QuarantineError as error:
        say(f"{file} would be quarantined: {error.stage}, {error.reason}.")
        raise


def _redacted(stages: "Stages", rules: _Rules, parsed: "Parsed", name: str, *, explain: bool) -> "Shown":
    from gateway.cli.shown import Piece, Shown

    # The title first, as in ingestion: what it names is looked for in the text.
    title = parsed.title or ("" if name == _STANDARD_INPUT else name)
    pages = (f"{number}" + (f" p. {one.page}" if one.page else "") for number, one in enumerate(parsed.elements, 1))
    places = ["title" if parsed.title else "name", *pages]
    texts = [title, *(element.text for element in parsed.elements)]
    left: Sequence[str]
    hidden: Sequence[tuple[Hidden, ...]]
    if explain:
        told = stages.redactor.explain(texts, key=rules.key, rules=rules.redaction)
        left, hidden, counts = told.texts, told.hidden, told.counts
    else:
        plain = stages.redactor.redact(texts, key=rules.key, rules=rules.redaction)
        left, hidden, counts = plain.texts, ((),) * len(texts), plain.counts
    pieces = tuple(
        Piece(place=place, original=original, redacted=redacted, hidden=some)
        for place, original, redacted, some in zip(places, texts, left, hidden, strict=True)
        if original
    )
    return Shown(
        name=name,
        kind=parsed.kind,
        source=rules.source.name if rules.source else None,
        profile=rules.redaction.profile,
        languages=rules.redaction.languages,
        pieces=pieces,
        counts=counts,
        parts=len(parsed.parts),
        skipped=parsed.skipped_parts,
    )


def _read(file: str, *, max_bytes: int) -> tuple[str, bytes]:
    """The name and the bytes of a document.

    Raises:
        RefusedError: it cannot be read, or is larger than is taken in.
    """
    path = Path(file)
    try:
        if file == "-":
            data = sys.stdin.buffer.read(max_bytes + 1)
        else:
            with path.open("rb") as opened:
                data = opened.read(max_bytes + 1)
    except OSError as error:
        raise RefusedError(
            f"{file!r} cannot be read ({type(error).__name__}).", mend="Name a document that you can read."
        ) from error
    if len(data) > max_bytes:
        raise RefusedError(f"{file!r} is larger than {max_bytes:,} bytes.", mend="Split the document.")
    return _STANDARD_INPUT if file == "-" else path.name, data


def _record(opened: "Installation", source: "Source", shown: "Shown") -> None:
    """The source's key was used: say so in the audit, by numbers only."""
    from policies.model import Action

    detail = {"values": sum(shown.counts.values()), "characters": sum(len(piece.original) for piece in shown.pieces)}
    opened.workshop().record(source, operator(), Action.REDACTION_SHOWN, detail)


def _check_page(page: Path, *, force: bool) -> None:
    if page.exists() and not (force and page.is_file()):
        raise RefusedError(f"{str(page)!r} exists.", mend="Name a new file, or replace this one with --force.")


def _write_page(page: Path, shown: "Shown", *, force: bool) -> None:
    """Write the page, which holds the document's own text, for nobody else's eyes."""
    from gateway.cli.redaction_page import render

    try:
        if force:
            page.unlink(missing_ok=True)  # an older one may be open to others
        handle = os.open(page, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as opened:
            opened.write(render(shown))
    except OSError as error:
        raise RefusedError(
            f"The page could not be written to {str(page)!r} ({type(error).__name__}).",
            mend="Name a new file in a folder that you can write to.",
        ) from error


def _print(shown: "Shown", *, explain: bool, as_json: bool, page: Path | None) -> None:
    if as_json:
        show_json(_plain(shown, explain=explain))
        return
    if explain:
        from rich.console import Console

        from gateway.cli.sidebyside import show_beside

        show_beside(shown, Console())
    elif page is None:
        _print_text(shown)
    _say_counts(shown)
    if page is not None:
        show(str(page))
        say("The page holds the document's own text: only you can read it, so delete it when it has served.")


def _print_text(shown: "Shown") -> None:
    from gateway.cli.shown import visible

    text = "\n\n".join(piece.redacted for piece in shown.pieces if piece.place not in {"title", "name"})
    typer.echo(visible(text) if sys.stdout.isatty() else text.encode(errors="replace"))


def _say_counts(shown: "Shown") -> None:
    from indexer.reasons import label

    for entity, count in shown.counts.items():
        say(f"{count:>6,}  {entity} ({label(entity)})")
    if not shown.counts:
        say(f"Nothing that the profile {shown.profile} hides was found.")
    else:
        say(shown.key_note())
    if shown.parts:
        say(f"Not shown: files in it that are documents of their own ({shown.parts}). Save and redact each.")
    if shown.skipped:
        say(f"Could not be read, and would not be indexed: parts of it ({shown.skipped}).")


def _plain(shown: "Shown", *, explain: bool) -> dict[str, object]:
    """Everything, for scripts. The document's own text only where reasons are wanted."""
    return {
        "file": shown.name,
        "format": shown.kind,
        "source": shown.source,
        "profile": shown.profile,
        "languages": list(shown.languages),
        "key": "source" if shown.source else "throw-away",
        "counts": dict(shown.counts),
        "parts": shown.parts,
        "skipped_parts": shown.skipped,
        "elements": [
            {"place": piece.place, "redacted": piece.redacted}
            | ({"original": piece.original, "hidden": [_hidden(one) for one in piece.hidden]} if explain else {})
            for piece in shown.pieces
        ],
    }


def _hidden(hidden: "Hidden") -> dict[str, object]:
    return {
        "start": hidden.start,
        "end": hidden.end,
        "type": hidden.entity,
        "replacement": hidden.replacement,
        "reasons": [
            {
                "start": reason.start,
                "end": reason.end,
                "type": reason.entity,
                "found_by": reason.name,
                "score": reason.score,
                "score_at_most": reason.at_most,
                "why": reason.why.value,
            }
            for reason in hidden.reasons
        ],
    }
