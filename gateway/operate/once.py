"""Serving a request that is sent again only once.

What is asked for twice with one idempotency key happens once: the key is written down with the id of what is to come,
then that is made by this id, then the answer is kept. A process that dies between two of these leaves a key that the
same request goes on with.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus

from sqlmodel import Session

from gateway import problems, requests
from gateway.problems import BusyError, JobConflictError, RequestError
from gateway.requests import Claimed, Reply
from indexer.database import Database
from indexer.joblog import JobId
from indexer.keyring import Keyring
from policies.errors import ConflictError
from policies.model import Caller


@dataclass(frozen=True, kw_only=True, slots=True)
class Answered:
    """The body of an answer, and the id of what it is about."""

    about: JobId
    body: bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class Once:
    """Serves requests that change something. `clock` gives the present (UTC, aware), `new_id` a fresh random id."""

    database: Database
    keyring: Keyring
    clock: Callable[[], datetime]
    new_id: Callable[[], str]

    def do(
        self,
        caller: Caller,
        key: str,
        what: Sequence[str],
        act: Callable[[Claimed], Answered],
        *,
        status: HTTPStatus,
        request_id: str,
    ) -> Reply:
        """The answer to a request that comes to `what`: what `act` makes, or what it made before, or its refusal.

        Raises:
            RequestError: what `requests.claim` raises. DependencyError: nothing was decided; ask again.
        """
        sealed = requests.seal(self.keyring, caller, key, what)
        with self._writing() as session:
            claimed = requests.claim(session, sealed, job=JobId(self.new_id()), now=self.clock())
        if isinstance(claimed, Reply):
            return claimed
        reply = None
        try:
            reply = _reply(act, claimed, status, request_id)
        finally:
            with self._writing() as session:
                requests.settle(session, sealed, reply)
        return reply

    @contextmanager
    def _writing(self) -> Iterator[Session]:
        """As the database's own. That it is locked is no conflict of the caller's."""
        try:
            with self.database.writing() as session:
                yield session
        except ConflictError as error:
            raise busy() from error


def busy() -> BusyError:
    """That another writer is at work is told so."""
    return BusyError("Another writer is at work.", mend="Retry later.")


def _reply(act: Callable[[Claimed], Answered], claimed: Claimed, status: HTTPStatus, request_id: str) -> Reply:
    try:
        answered = act(claimed)
    except (RequestError, JobConflictError) as error:
        refused = problems.of_error(error, request_id)
        return Reply(status=HTTPStatus(refused.status_code), body=bytes(refused.body), job=None)
    return Reply(status=status, body=answered.body, job=answered.about)
