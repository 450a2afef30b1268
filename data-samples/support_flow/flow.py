"""A support agent: a customer's question becomes one ticket, or goes to a person.

    python data-samples/support_flow/flow.py "What does the fault code E-05 mean on a Merle?" --message-id 42

Retrieve, draft, ticket. What the gateway vouches for becomes a ticket that is ready; what it is not sure of becomes one
that a person approves; what it hands off goes to a person, and no model sees it. However often a message is handled,
by however many processes, and wherever one of them dies, there is one outcome.
"""

import argparse
import hashlib
import sys
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import assert_never

from desk import Desk, Entry, State

from gateway.client import Answered, AwayError, Cautioned, CitedPassage, Client, HandedOff
from policies.errors import PenstockError

Draft = Callable[[str, Sequence[CitedPassage]], str]
"""What makes a reply of a question and passages. Any model goes here."""


def handle(
    question: str, *, message_id: str, purpose: str, source: str, client: Client, desk: Desk, draft: Draft
) -> Entry:
    """What becomes of a customer's message."""
    key = "support-" + hashlib.sha256(message_id.encode()).hexdigest()
    if settled := desk.find(key):
        return settled
    match client.retrieve(question, purpose=purpose, sources=[source], key=key):
        case Answered(request_id=request, passages=passages):
            entry = Entry(key=key, state=State.READY, request_id=request, reply=draft(question, passages))
        case Cautioned(request_id=request, passages=passages):
            entry = Entry(key=key, state=State.APPROVAL, request_id=request, reply=draft(question, passages))
        case HandedOff(request_id=request):
            entry = Entry(key=key, state=State.PERSON, request_id=request, reply=None)
        case other:
            assert_never(other)
    return desk.settle(entry)


def quote(question: str, passages: Sequence[CitedPassage]) -> str:
    """A reply without a model: the best two passages, each with where it stands."""
    best = list(enumerate(passages[:2], start=1))
    said = [f"{textwrap.shorten(passage.text, 400, placeholder=' ...')} [{number}]" for number, passage in best]
    sources = [f"[{number}] {passage.title}, {passage.uri}" for number, passage in best]
    return "\n\n".join([f"You asked: {question}", *said, "\n".join(sources)])


def report(entry: Entry) -> str:
    """What is told of a message."""
    match entry.state:
        case State.READY:
            return f"One ticket, ready to go out (request {entry.request_id}):\n\n{entry.reply}"
        case State.APPROVAL:
            return f"One ticket, to be approved by a person (request {entry.request_id}):\n\n{entry.reply}"
        case State.PERSON:
            return f"No ticket. A person answers (request {entry.request_id})."
        case other:
            assert_never(other)


def main(arguments: Sequence[str]) -> int:
    """Handle one message; the exit code: 0 done, 2 refused, 3 no answer in time: run it again."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("question")
    parser.add_argument("--message-id", required=True, help="the customer's message, the same whenever it is handled")
    parser.add_argument("--url", default="http://127.0.0.1:8080", help="the gateway")
    parser.add_argument("--key", type=Path, default=Path("key.txt"), help="a file with the agent's API key")
    parser.add_argument("--source", default="support", help="the source that is asked")
    parser.add_argument("--purpose", default="customer-support", help="what for")
    parser.add_argument("--desk", type=Path, default=Path(".penstock/desk.db"), help="the ticket desk")
    given = parser.parse_args(arguments)
    desk = Desk(given.desk)
    try:
        client = Client(given.url, given.key.read_text("utf-8").strip())
        entry = handle(
            given.question,
            message_id=given.message_id,
            purpose=given.purpose,
            source=given.source,
            client=client,
            desk=desk,
            draft=quote,
        )
    except (PenstockError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 3 if isinstance(error, AwayError) else 2
    finally:
        desk.close()
    # A customer's words and a document's: nothing of them may steer the terminal.
    print("".join(sign if sign.isprintable() or sign == "\n" else " " for sign in report(entry)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
