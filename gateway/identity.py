"""Who is calling: the only way from an Authorization header to a Caller."""

import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime

from sqlmodel import Session

from gateway import keys
from gateway.credential import CredentialError, CredentialFault
from gateway.tokens import Tokens
from policies.model import Caller

_BEARER = re.compile(r"bearer +(?P<credential>[A-Za-z0-9._~+/=-]+)", re.IGNORECASE | re.ASCII)
"""RFC 6750, section 2.1."""


class Identity:
    """Verifies API keys against the catalog and tokens against their issuers."""

    def __init__(self, *, reading: Callable[[], AbstractContextManager[Session]], tokens: Tokens) -> None:
        """`reading` opens a session on the catalog for reading."""
        self._reading = reading
        self._tokens = tokens

    def verify(self, authorization: str | None, now: datetime) -> Caller:
        """The caller that the value of an Authorization header proves. None, or anything but one credential, denies.

        Raises:
            CredentialError: no caller could be verified; its message is the same for every cause.
            DependencyError: the issuer's keys cannot be had.
        """
        if authorization is None:
            raise CredentialError(CredentialFault.MISSING)
        header = _BEARER.fullmatch(authorization)
        if header is None:
            raise CredentialError(CredentialFault.MALFORMED)
        credential = header["credential"]
        if not credential.startswith(keys.PREFIX):
            return self._tokens.verify(credential, now)
        with self._reading() as session:
            return keys.find(session, credential, now)
