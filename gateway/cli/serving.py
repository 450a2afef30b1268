"""Answering: over HTTP, or one query here."""

import json
import secrets
import signal
import socket
import sys
from ipaddress import ip_address
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli.shell import HomeOption, JsonOption, installation, operator, say, show
from policies.errors import RefusedError

if TYPE_CHECKING:
    from gateway.answer import Answer, RetrievalRequest
    from gateway.retrieval import Retrieval
    from gateway.wiring import Installation

RETRIEVE_THREADS = 4
"""Chosen: embedding takes one at a time anyhow, and four keep the processor busy while one waits for the disk."""
MAX_RETRIEVALS_WAITING = 64
"""Chosen: at some 30 ms each, the last one waits for half a second or so."""
DEFAULT_K = 10


def serve(
    *,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one.")] = 8080,
    repair: Annotated[bool, typer.Option("--repair", help="Mend damaged indexes before serving.")] = False,
    home: HomeOption = None,
) -> None:
    """Answer requests over HTTP until stopped. Opens and checks every index first, and serves none that is damaged.

    It speaks plain HTTP: beyond this machine, put a proxy with TLS in front of it.

    Example: [bold]penstock serve --port 8080[/bold]
    """
    from gateway.app import create_app, server
    from gateway.operate.desk import Desk
    from gateway.wiring import clock, new_id

    # A service manager stops a service by SIGTERM: end as by Ctrl-C, so that no child process or folder is left.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with _listening(host, port) as listener, installation(home) as opened:
        if repair:
            _repair(opened)
        retrieval = opened.retrieval()
        _check_indexes(opened, retrieval)
        _warm(retrieval)
        desk = Desk(
            database=opened.database,
            keyring=opened.keyring,
            sight=opened.sight(),
            jobs=opened.jobs(),
            clock=clock,
            new_id=new_id,
        )
        app = create_app(
            retrieval,
            desk,
            new_request_id=new_id,
            retrieve_threads=RETRIEVE_THREADS,
            max_retrievals_waiting=MAX_RETRIEVALS_WAITING,
        )
        _say_where(listener)
        try:
            server(app, host=host, port=port).run(sockets=[listener])
        except KeyboardInterrupt:
            say("Stopped.")


def query(
    text: Annotated[str, typer.Argument(metavar="QUERY", help="The question.")],
    *,
    purpose: Annotated[str, typer.Option(help="What the passages are for.")],
    key: Annotated[str, typer.Option(help="The caller's API key; - reads it from standard input.")],
    source: Annotated[list[str] | None, typer.Option(help="A source to ask; can be repeated. Default: all.")] = None,
    k: Annotated[int, typer.Option("-k", "--k", min=1, max=50, help="How many passages.")] = DEFAULT_K,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Ask as the holder of an API key, without a server. The answer, and its audit record, are those of the API.

    Example: [bold]penstock query "How long is parental leave?" --purpose employee-support --key - < key.txt[/bold]
    """
    from gateway.schemas import render_answer
    from gateway.wiring import new_id

    credential = sys.stdin.readline().strip() if key == "-" else key
    request = _request({"query": text, "purpose": purpose, "k": k} | ({"sources": source} if source else {}))
    with installation(home) as opened:
        retrieval = opened.retrieval()
        caller = retrieval.verify(f"Bearer {credential}")
        request_id = new_id()
        answer = retrieval.retrieve(caller, request, request_id=request_id)
    if as_json:
        typer.echo(render_answer(answer, request_id))
    else:
        _show_answer(answer)


def _request(body: dict[str, object]) -> "RetrievalRequest":
    """The request, held to what the API holds its callers to."""
    from gateway.problems import BodyInvalidError
    from gateway.schemas import read_request

    try:
        return read_request(json.dumps(body).encode("utf-8", "surrogatepass"))
    except BodyInvalidError as error:
        fault = error.faults[0]
        raise RefusedError(f"{fault.path} is not as it must be.", mend=f"Give {fault.expected}.") from error


def _show_answer(answer: "Answer") -> None:
    confidence = answer.confidence
    value = "unknown" if confidence.value is None else f"{confidence.value:.2f}"
    reasons = f" ({', '.join(answer.reasons)})" if answer.reasons else ""
    show(f"{answer.verdict.value}{reasons}, confidence {value}, {confidence.status.value}")
    if confidence.missing_labels:
        show(f"  About {confidence.missing_labels} labels are missing to the next status.")
    if answer.unmatched_terms:
        show(f"  In none of the first passages: {', '.join(answer.unmatched_terms)}")
    for number, passage in enumerate(answer.passages, start=1):
        place = "".join(f", {label}" for label in (passage.section, passage.page and f"page {passage.page}") if label)
        show(f"\n{number}. {passage.title or passage.uri}{place} [{passage.source}, score {passage.score:.3f}]")
        show(passage.text)


def _listening(host: str, port: int) -> socket.socket:
    """A socket that listens. Taken first, so that a port in use shows at once and not after the models are loaded."""
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise RefusedError(
            f"Nothing can listen on {host} port {port}: {error.strerror}.",
            mend="Stop what uses it, or choose another with --host and --port (--port 0 takes a free one).",
        ) from error


def _say_where(listener: socket.socket) -> None:
    address, port = listener.getsockname()[:2]
    if not ip_address(address).is_loopback:
        say("Others than this machine can connect. This is plain HTTP: put a proxy with TLS in front of it.")
    say(f"Serving on http://{f'[{address}]' if ':' in address else address}:{port} (Ctrl-C stops it)")


def _repair(opened: "Installation") -> None:
    from indexer.reconcile import repair, verify

    workshop = opened.workshop()
    findings = verify(workshop)
    if findings:
        repair(workshop, findings, actor=operator())
        say(f"{len(findings)} findings, mended as far as that can be: see penstock verify.")


def _check_indexes(opened: "Installation", retrieval: "Retrieval") -> None:
    """Open every source's index, and say which cannot be served. Its source gives nothing until it is mended."""
    from gateway.lookup import UnavailableError
    from indexer import catalog

    with opened.database.reading() as session:
        for registered in catalog.registrations(session):
            try:
                retrieval.lookup.generation(registered)
            except UnavailableError as error:
                say(f"{registered.name}: not served. {error}")


def _warm(retrieval: "Retrieval") -> None:
    """Load and start now what the first request would otherwise wait for."""
    from indexer.rules import BALANCED

    retrieval.lookup.redactor.redact(["warm"], key=secrets.token_bytes(32), rules=BALANCED)
    retrieval.lookup.embedder.embed_query("warm")
