"""A connection to the SSH server that the manifest names and to no other, by what it refers to and nothing else."""

import re
from dataclasses import dataclass, field
from typing import Final

import asyncssh

from connectors.objectstore.options import Options, wrong
from connectors.objectstore.store import Timeouts, away
from policies.errors import RefusedError

_FINGERPRINT: Final = re.compile(r"SHA256:[A-Za-z0-9+/]{43}")
_HOST_KEY_MEND: Final = (
    "Write host_key: the fingerprint that `ssh-keygen -lf` shows on the server, SHA256:…, or known_hosts: a file."
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Server:
    """Where to log in, as whom, and which host keys are the server's. It has one of `fingerprint` and `known_hosts`."""

    host: str
    port: int
    fingerprint: str | None
    known_hosts: asyncssh.SSHKnownHosts
    username: str
    password: str | None = field(repr=False)
    key: asyncssh.SSHKey | None = field(repr=False)
    timeouts: Timeouts

    @classmethod
    def of(cls, options: Options) -> "Server":
        """The server that a manifest describes.

        Raises:
            RefusedError: an option is missing or wrong.
        """
        username = options.text("username", mend="Write whom to log in as.")
        if username is None:
            raise wrong("username", "missing", "Write whom to log in as.")
        fingerprint = options.text("host_key", mend=_HOST_KEY_MEND)
        known_hosts = options.text("known_hosts", mend=_HOST_KEY_MEND)
        if (fingerprint is None) == (known_hosts is None):
            raise wrong("host_key", "given beside known_hosts, or neither is", _HOST_KEY_MEND)
        if fingerprint is not None and not _FINGERPRINT.fullmatch(fingerprint):
            raise wrong("host_key", "no fingerprint", _HOST_KEY_MEND)
        login = options.login()
        return cls(
            host=options.place.name,
            port=options.place.port or 22,
            fingerprint=fingerprint,
            known_hosts=_known_hosts(options, known_hosts),
            username=username,
            password=login.get("password"),
            key=_private_key(login.get("private_key"), login.get("passphrase")),
            timeouts=options.timeouts(),
        )

    async def connect(self) -> asyncssh.SSHClientConnection:
        """A connection, logged in.

        Raises:
            RefusedError: the server is another than the manifest names, or does not let us in.
            DependencyError: there is no answer.
        """
        gate = _Gate(self.fingerprint)
        try:
            return await asyncssh.connect(
                self.host,
                self.port,
                client_factory=lambda: gate,
                known_hosts=self.known_hosts,
                username=self.username,
                password=self.password,
                # Each of these is looked for in ~/.ssh, in an agent or in a ticket unless it is named.
                client_keys=[self.key] if self.key else None,
                agent_path=None,
                config=None,
                gss_host=None,
                x509_trusted_certs=None,
                compression_algs=["none"],
                connect_timeout=self.timeouts.connect_s,
                login_timeout=self.timeouts.connect_s,
            )
        except asyncssh.HostKeyNotVerifiable:
            raise RefusedError(
                f"The server's host key is not one that the manifest names: it is {gate.shown}.",
                mend="Compare it with the one that `ssh-keygen -lf` shows on the server, and mend connector.host_key "
                "or connector.known_hosts only where they are the same.",
            ) from None
        except (asyncssh.PermissionDenied, asyncssh.IllegalUserName):
            raise RefusedError(
                "The server does not let the user in.", mend="Mend connector.username, .password or .private_key."
            ) from None
        except (asyncssh.KeyExchangeFailed, asyncssh.ProtocolNotSupported) as error:
            raise RefusedError(
                f"There is no common way to talk to the server: {type(error).__name__}.",
                mend="Update the server, or look at the kinds of host keys in connector.known_hosts.",
            ) from None
        except (asyncssh.Error, OSError, ValueError) as error:
            raise away(error) from None


class _Gate(asyncssh.SSHClient):
    """Lets one host key pass, beside those of a file, and remembers which was refused."""

    def __init__(self, fingerprint: str | None) -> None:
        self._fingerprint = fingerprint
        self.shown = "a certificate of nobody known"

    def validate_host_public_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:  # noqa: ARG002
        fingerprint = key.get_fingerprint("sha256")
        self.shown = f"{key.get_algorithm()} {fingerprint}"
        return fingerprint == self._fingerprint


def _known_hosts(options: Options, name: str | None) -> asyncssh.SSHKnownHosts:
    """The host keys of a file; of none, where none is named: asyncssh would look into ~/.ssh by itself."""
    try:
        return asyncssh.import_known_hosts((options.secrets.base / name).read_text("utf-8") if name else "")
    except (OSError, ValueError):
        raise wrong("known_hosts", "not a readable file of host keys", _HOST_KEY_MEND) from None


def _private_key(text: str | None, passphrase: str | None) -> asyncssh.SSHKey | None:
    if text is None:
        return None
    try:
        return asyncssh.import_private_key(text, passphrase)
    except (asyncssh.KeyImportError, asyncssh.KeyEncryptionError):
        raise wrong(
            "private_key", "referring to no private key, or one for another passphrase", "Write it as ssh-keygen does."
        ) from None
