"""The options of a mailbox in a manifest, checked."""

import os
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter, ValidationError

from connectors.mailbox.folders import Folders
from connectors.mailbox.imap import Imap
from connectors.mailbox.maildir import Maildir
from connectors.mailbox.mbox import Mbox
from connectors.mailbox.participants import is_address
from connectors.mailbox.store import Store
from connectors.mailbox.wire import Account, Security
from connectors.secrets import Secrets
from policies.errors import RefusedError
from policies.globs import check
from policies.manifest.scalars import Principal

_COMMON: Final = frozenset({"format", "include", "exclude", "groups", "owner"})
_LOCAL: Final = _COMMON | {"root"}
_IMAP: Final = _COMMON | {
    "host", "port", "security", "allow_plaintext", "username", "password", "oauth2_token", "ca_file"
}  # fmt: skip
_PORTS: Final[Mapping[Security, int]] = {"tls": 993, "starttls": 143, "none": 143}


def store(options: Mapping[str, object], secrets: Secrets) -> Store:
    """The store that the options describe.

    Raises:
        RefusedError: an option is unknown, missing or wrong, or a secret is missing.
    """
    format_ = options.get("format")
    known = _IMAP if format_ == "imap" else _LOCAL
    if unknown := sorted(set(options) - known):
        raise RefusedError(
            f"The mailbox connector has no option {unknown[0]!r} for this format.",
            mend=f"Its options are {', '.join(sorted(known))}.",
        )
    chosen = Folders(
        include=_patterns("include", options.get("include")),
        exclude=_patterns("exclude", options["exclude"]) if "exclude" in options else (),
    )
    match format_:
        case "mbox":
            return Mbox.at(_root(options, secrets), chosen)
        case "maildir":
            return Maildir.at(_root(options, secrets), chosen)
        case "imap":
            return Imap(account=_account(options, secrets), folders=chosen)
        case _:
            raise _wrong("format", "not one of mbox, maildir, imap", "Write which of them the mailbox is.")


def principals(key: str, value: object) -> frozenset[str]:
    """The principals that an option lists."""
    if not isinstance(value, list | tuple):
        raise _wrong(key, "not a list of principals", f"Write a list, such as {key}: [user:ann@x.example].")
    return frozenset(_principal(key, item) for item in value)


def group_principals(value: object) -> dict[str, str]:
    """The principals that stand for addresses, by address in lower case."""
    mend = 'Write a mapping, such as groups: {"all@x.example": "group:staff"}.'
    if not isinstance(value, Mapping):
        raise _wrong("groups", "not a mapping of addresses to principals", mend)
    found: dict[str, str] = {}
    for address, principal in value.items():
        if not isinstance(address, str) or not is_address(address.lower()):
            raise _wrong("groups", "keyed by something that is no mail address", mend)
        if address.lower() in found:
            raise _wrong("groups", "naming an address twice", "Keep one of the two.")
        found[address.lower()] = _principal("groups", principal)
    return found


def _principal(key: str, value: object) -> str:
    try:
        return TypeAdapter[str](Principal).validate_python(value, strict=True)
    except ValidationError:
        raise _wrong(key, "holding something that is no principal", "Write user:NAME or group:NAME.") from None


def _wrong(key: str, what: str, mend: str) -> RefusedError:
    return RefusedError(f"connector.{key} is {what}.", mend=mend)


def _root(options: Mapping[str, object], secrets: Secrets) -> Path:
    return Path(os.path.realpath(secrets.base / _text(options, "root", "Name the folder, relative to the manifest's.")))


def _text(options: Mapping[str, object], key: str, mend: str) -> str:
    value = options.get(key)
    if not isinstance(value, str) or not value or not value.isprintable():
        raise _wrong(key, "missing or not a line of text", mend)
    return value


def _patterns(key: str, value: object) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or not value or not all(isinstance(pattern, str) for pattern in value):
        raise _wrong(key, "not a list of patterns", f'Write a list, such as {key}: ["**"].')
    for pattern in value:
        check(pattern)
    return tuple(value)


def _account(options: Mapping[str, object], secrets: Secrets) -> Account:
    security = _security(options.get("security", "tls"), plaintext=options.get("allow_plaintext", False))
    if ("password" in options) == ("oauth2_token" in options):
        raise _wrong("password", "given beside oauth2_token, or neither is", "Write one of the two, as {env: NAME}.")
    key = "password" if "password" in options else "oauth2_token"
    secret = secrets.read(options[key], option=key)
    if not secret.get_secret_value().isprintable():
        raise _wrong(key, "referring to a secret with a line break or another control character", "Mend the secret.")
    return Account(
        host=_text(options, "host", "Write the name of the server, such as imap.x.example."),
        port=_port(options.get("port", _PORTS[security])),
        security=security,
        tls=_tls(options, secrets),
        username=_text(options, "username", "Write the name to log in with."),
        mechanism="oauth2" if key == "oauth2_token" else "password",
        secret=secret,
    )


def _security(value: object, *, plaintext: object) -> Security:
    allowed = plaintext in (True, "true")
    if not allowed and plaintext not in (False, "false"):
        raise _wrong("allow_plaintext", "neither true nor false", "Write true or false.")
    match value:
        case "tls" | "starttls":
            return "tls" if value == "tls" else "starttls"
        case "none" if allowed:
            return "none"
        case "none":
            raise _wrong(
                "security", "none, which shows the password and all mails to the network",
                "Write tls, or allow_plaintext: true for a server on this machine.",
            )  # fmt: skip
        case _:
            raise _wrong("security", "not one of tls, starttls, none", "Write tls.")


def _port(value: object) -> int:
    text = str(value)
    if isinstance(value, bool) or not text.isascii() or not text.isdigit() or not 0 < int(text[:6]) < 2**16:
        raise _wrong("port", "not a port", "Write a number from 1 to 65535, or leave it out.")
    return int(text)


def _tls(options: Mapping[str, object], secrets: Secrets) -> ssl.SSLContext:
    """What certificates must hold against: the authorities of this machine, or those of `ca_file` instead."""
    if "ca_file" not in options:
        return ssl.create_default_context()
    mend = "Name a file of certificates in PEM form, relative to the manifest's folder."
    file = secrets.base / _text(options, "ca_file", mend)
    try:
        return ssl.create_default_context(cafile=file)
    except OSError:  # ssl.SSLError too
        raise _wrong("ca_file", "not a readable file of certificates", mend) from None
