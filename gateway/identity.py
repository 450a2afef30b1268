"""Who is calling: the only way from an Authorization header to a Caller."""

import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime
from functools import partial

from sqlmodel import Session

from gateway import agents, keys
from gateway.credential import CredentialError, CredentialFault
from gateway.tokens import Tokens
from policies.model import Agent, Caller

_BEARER = re.compile(r"bearer +(?P<credential>[A-Za-z0-9._~+/=-]+)", re.IGNORECASE | re.ASCII)
"""RFC 6750, section 2.1."""


def is_token(authorization: str | None) -> bool:
    """Whether the value of an Authorization header holds a token, for which an issuer may have to be asked."""
    header = _BEARER.fullmatch(authorization or "")
    return header is not None and not header["credential"].startswith(keys.PREFIX)


class Identity:
    """Verifies API keys against the catalog, tokens against their issuers, and the agents in them against grants."""

    def __init__(self, *, reading: Callable[[], AbstractContextManager[Session]], tokens: Tokens) -> None:
        """`reading` opens a session on the catalog for reading."""
        self._reading = reading
        self._tokens = tokens

    def verify(self, authorization: str | None, now: datetime) -> Caller:
        """The caller that the value of an Authorization header proves. None, or anything but one credential, denies.

        Raises:
            CredentialError: no caller could be verified; its message is the same for every cause.
            DependencyError: the issuer's keys cannot be had, or the catalog cannot be read.
        """
        if authorization is None:
            raise CredentialError(CredentialFault.MISSING)
        header = _BEARER.fullmatch(authorization)
        if header is None:
            raise CredentialError(CredentialFault.MALFORMED)
        credential = header["credential"]
        if is_token(authorization):
            return self._tokens.verify(credential, now, find_agent=partial(self._find_agent, now))
        with self._reading() as session:
            return keys.find(session, credential, now)

    def _find_agent(self, now: datetime, issuer: str, subject: str) -> Agent:
        with self._reading() as session:
            return agents.find(session, issuer, subject, now)
