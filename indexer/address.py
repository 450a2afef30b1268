"""Where the catalog's PostgreSQL database is, as an operator writes it: a URL of which nothing secret is ever shown."""

import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self
from urllib.parse import parse_qsl, unquote, urlsplit

from pydantic import SecretStr

from policies.errors import SettingsError

_SCHEMES = frozenset({"postgresql", "postgres"})
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_OPTIONS = frozenset(
    {"host", "port", "sslmode", "sslrootcert", "sslcert", "sslkey", "sslcrl", "channel_binding", "gssencmode",
     "target_session_attrs"}
)  # fmt: skip
"""What of libpq's parameters may follow the question mark: where the server is and how the way there is guarded."""
_SSL_MODES = frozenset({"disable", "require", "verify-ca", "verify-full"})
"""Neither libpq's own default, `prefer`, nor `allow`: both go on in the clear, and silently, where the server asks."""
_DATABASE = re.compile(r"[^/@\s\x00-\x1f\x7f]{1,63}")
_MAX_PASSWORD_BYTES = 4096
_EXAMPLE = "Write postgresql://USER@HOST/DATABASE, with what is not a letter or a digit percent-encoded."


@dataclass(frozen=True, kw_only=True, slots=True)
class Address:
    """A PostgreSQL database. `parameters` are libpq's, without the password.

    A file with the password is read for each connection, so that it can be changed while Penstock runs. Without a
    password libpq looks for one by itself, in PGPASSFILE or ~/.pgpass.
    """

    parameters: Mapping[str, str]
    password: SecretStr | Path | None = field(repr=False)

    @classmethod
    def parse(cls, url: str, *, password_file: Path | None) -> Self:
        """What `url` says. To a server that is neither on this machine nor says otherwise the way is `verify-full`.

        Raises:
            SettingsError: it is no such URL, has an option that is not for it, or two passwords. Never shows it.
        """
        try:
            parts = urlsplit(url.encode().decode())
            host, port = parts.hostname, parts.port
            options = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=True) if parts.query else []
        except ValueError:
            # The error shows what is wrong with it, and that can be a piece of a password.
            raise _refusal("is not the address of a PostgreSQL database", _EXAMPLE) from None
        database = unquote(parts.path.removeprefix("/"))
        wrong = parts.scheme not in _SCHEMES or parts.fragment or "\0" in unquote(url)
        if wrong or not _DATABASE.fullmatch(database):
            raise _refusal("is not the address of a PostgreSQL database", _EXAMPLE)
        given = [("user", unquote(parts.username or "")), ("host", host or ""), ("port", str(port or ""))]
        pairs = [("dbname", database), *((name, value) for name, value in given if value), *options]
        parameters = dict(pairs)
        if len(parameters) != len(pairs) or not {name for name, _ in options} <= _OPTIONS:
            raise _refusal("has an option twice or one that is not for it", f"There are {', '.join(sorted(_OPTIONS))}.")
        if not cls(parameters=parameters, password=None).is_local:
            parameters.setdefault("sslmode", "verify-full")
        if parameters.get("sslmode", "disable") not in _SSL_MODES:
            raise _refusal("has an sslmode that can end in the clear", f"Write one of {', '.join(sorted(_SSL_MODES))}.")
        if parts.password and password_file is not None:
            raise _refusal("holds a password, and PENSTOCK_DATABASE_PASSWORD_FILE is set", "Keep one of the two.")
        password = SecretStr(unquote(parts.password)) if parts.password else password_file
        return cls(parameters=parameters, password=password)

    @property
    def is_local(self) -> bool:
        """Whether the server is on this machine."""
        return all(map(_is_local, self.parameters.get("host", "").split(",")))

    @property
    def database(self) -> str:
        """The name of the database."""
        return self.parameters["dbname"]

    def read_password(self) -> str | None:
        """The password, as it is now.

        Raises:
            SettingsError: its file is missing, empty, or readable by others than its owner.
        """
        if not isinstance(self.password, Path):
            return self.password.get_secret_value() if self.password else None
        path = self.password
        try:
            with path.open("rb") as file:
                if stat.S_IMODE(path.stat().st_mode) & (stat.S_IRWXG | stat.S_IRWXO):
                    raise SettingsError(
                        f"Others than its owner may use the password file {str(path)!r}.", mend="Run chmod 600 on it."
                    )
                text = file.read(_MAX_PASSWORD_BYTES).decode().removesuffix("\n")
        except (OSError, UnicodeDecodeError) as error:
            raise _password_error(path) from error
        if not text:
            raise _password_error(path)
        return text


def _is_local(host: str) -> bool:
    return not host or host.startswith("/") or host in _LOOPBACK


def _refusal(fault: str, mend: str) -> SettingsError:
    return SettingsError(f"PENSTOCK_DATABASE {fault}.", mend=mend)


def _password_error(path: Path) -> SettingsError:
    return SettingsError(
        f"The database's password file {str(path)!r} cannot be read or is empty.",
        mend="Point PENSTOCK_DATABASE_PASSWORD_FILE at a file with nothing but the password.",
    )
