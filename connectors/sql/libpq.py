"""What libpq is told of a PostgreSQL server, so that it takes nothing that matters from the process it runs in.

What it is not told it looks for in PGPASSWORD and other variables, in ~/.pgpass and ~/.postgresql: there may be the
password of Penstock's own catalog, for whichever server a manifest names. An empty value counts as told and as none.
"""

import os
from collections.abc import Mapping
from typing import Final

from sqlalchemy.engine import URL

from policies.errors import RefusedError

_OPTIONS: Final = frozenset(
    {"host", "port", "sslmode", "sslrootcert", "sslcrl", "channel_binding", "target_session_attrs"}
)
"""What of libpq's parameters may follow the question mark: where the server is and how the way there is guarded."""
_DECIDED: Final = frozenset({"disable", "require", "verify-ca", "verify-full"})
"""The modes of which one knows what one gets. With the others whoever sits on the way decides."""
_SSL_MODES: Final = _DECIDED | {"allow", "prefer"}
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_NO_FILE: Final = f"{os.devnull}/none"
"""Where no file can be. Of the null device itself libpq warns on stderr that it is no plain file."""
_UNTOLD: Final[Mapping[str, str]] = {
    "host": "",
    "hostaddr": "",
    "port": "5432",
    "passfile": _NO_FILE,
    "sslcert": _NO_FILE,
    "gssencmode": "disable",
    "options": "",
}


def parameters(url: URL) -> Mapping[str, str]:
    """The parameters of a connection to the server at `url`, the password among them.

    The way to a server that is not on this machine is `verify-full` where the URL names no mode.

    Raises:
        RefusedError: user, database or password is missing, an option is not for it or there twice, or whoever sits
            on the way to a server elsewhere could turn encryption off.
    """
    told = {"user": url.username, "dbname": url.database, "host": url.host, "port": url.port and str(url.port)}
    given = {name: value for name, value in told.items() if value}
    if not {"user", "dbname"} <= set(given):
        raise RefusedError("connector.url names no user or no database.", mend="Write postgresql://USER@HOST/DATABASE.")
    options = {name: value for name, value in url.query.items() if isinstance(value, str)}
    if len(options) < len(url.query) or set(options) & set(given) or not set(options) <= _OPTIONS:
        raise RefusedError(
            "connector.url has an option twice or one that is not for it.",
            mend=f"There are {', '.join(sorted(_OPTIONS))}.",
        )
    found = {**_UNTOLD, **given, **options, "password": str(url.password or "")}
    # Behind a NUL libpq would not read on, and use its defaults for all that follows.
    if any("\0" in value for value in found.values()):
        raise RefusedError("connector.url or connector.password has a NUL in it.", mend="Leave it out.")
    hosts = found["host"].split(",")
    if not found["password"] and not all(map(_is_socket, hosts)):
        raise RefusedError(
            "There is no password for the database.",
            mend="Write `password: {env: NAME}` or `password: {file: path}`. None is looked for anywhere else.",
        )
    if all(map(_is_local, hosts)):
        return _with_mode(found, usual="prefer", possible=_SSL_MODES)
    return _with_mode(found, usual="verify-full", possible=_DECIDED)


def _with_mode(found: Mapping[str, str], *, usual: str, possible: frozenset[str]) -> Mapping[str, str]:
    mode = found.get("sslmode", usual)
    if mode not in possible:
        raise RefusedError(
            "connector.url has an sslmode that is none, or that whoever sits on the way can turn off.",
            mend=f"Write one of {', '.join(sorted(possible))}, or leave it out for {usual}.",
        )
    return {**found, "sslmode": mode}


def _is_socket(host: str) -> bool:
    return not host or host.startswith("/")


def _is_local(host: str) -> bool:
    return _is_socket(host) or host in _LOOPBACK
