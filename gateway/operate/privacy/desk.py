"""The use cases of those who answer for personal data. Every method may block, as the desk's may."""

import re
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import NewType

from sqlmodel import Session

from gateway.operate.desk import Desk, check_role
from gateway.operate.once import Answered
from gateway.operate.privacy.schemas import render_purge, unknown_documents
from gateway.problems import NotFoundError, RequestError
from gateway.requests import Claimed, Reply
from indexer import catalog, joblog, purges
from indexer.dues import plan_erasure
from indexer.joblog import JobKind
from indexer.purges import Purge
from policies import manifest
from policies.errors import ConflictError, RefusedError
from policies.model import Caller, Role, SourceName
from policies.purge import ErasureRequest

Officer = NewType("Officer", Caller)
"""A caller with the role `privacy`. Only `officer_of` makes one."""
Witness = NewType("Witness", Caller)
"""A caller who may see what was deleted. Only `witness_of` makes one."""

_PURGE_ID = re.compile(r"[0-9a-f]{24}")


class OrderStandsError(RequestError):
    """A hold or a restriction stands on a document that is to be erased; the message names the order."""

    code = "order_stands"
    status = HTTPStatus.CONFLICT


def officer_of(caller: Caller) -> Officer:
    """The caller as one who decides about personal data.

    Raises:
        ForbiddenError: it lacks the role.
    """
    check_role(caller, Role.PRIVACY)
    return Officer(caller)


def witness_of(caller: Caller) -> Witness:
    """The caller as one who may see purges and their receipts.

    Raises:
        ForbiddenError: it lacks the roles for that.
    """
    check_role(caller, Role.PRIVACY, Role.OPERATOR, Role.AUDITOR)
    return Witness(caller)


@dataclass(frozen=True, slots=True)
class PurgeDesk:
    """Where purges are asked for and looked at."""

    desk: Desk

    def listing(self, *, source: SourceName | None, limit: int) -> tuple[Purge, ...]:
        """Purges, the youngest first, at most `limit`."""
        with self.desk.database.reading() as session:
            return purges.listing(session, source=source, limit=limit)

    def purge(self, purge: str) -> Purge:
        """One purge.

        Raises:
            NotFoundError: there is none of that id.
        """
        if _PURGE_ID.fullmatch(purge):
            with suppress(RefusedError), self.desk.database.reading() as session:
                return purges.find(session, purge)
        raise NotFoundError("There is no such purge.", mend="List them with GET /v1/purges.")

    def ask(
        self, officer: Officer, source: SourceName, request: ErasureRequest | None, *, key: str, request_id: str
    ) -> Reply:
        """Ask for a purge of what is due, or of what a request names; 202 with the purge, 404, 409 or 422.

        409 says which job is open on the source, or which order stands on one of the documents.

        Raises:
            RequestError: what `requests.claim` raises. DependencyError: nothing was decided; ask again.
        """
        what = ["purge", source]
        if request is not None:
            what += ["erasure", request.reference, request.ground, *sorted(request.documents)]
        ask = partial(self._ask, officer, source, request)
        return self.desk.once.do(officer, key, what, ask, status=HTTPStatus.ACCEPTED, request_id=request_id)

    def _ask(self, officer: Officer, source: SourceName, request: ErasureRequest | None, claimed: Claimed) -> Answered:
        with self.desk.database.reading() as session:
            registered = self.desk.source(session, source)
            # What was asked for before may be done by now, and its documents gone.
            if request is not None and not joblog.exists(session, claimed.job):
                self._check(session, registered, request)
        if request is None:
            job = self.desk.ask(officer, JobKind.PURGE, source, {}, claimed)
        else:
            job = self.desk.ask(officer, JobKind.ERASE, source, purges.options_of(request), claimed)
        return Answered(about=job.id, body=render_purge(self.purge(job.id)))

    def _check(self, session: Session, registered: catalog.Registration, request: ErasureRequest) -> None:
        """Refuse now what the job would be refused."""
        source = manifest.parse(registered.manifest, path="catalog")
        try:
            plan_erasure(session, source, self.desk.keyring, request, now=self.desk.clock())
        except ConflictError as error:
            raise OrderStandsError(error.message, mend=error.mend) from error
        except RefusedError as error:
            raise unknown_documents() from error
