"""A real Dovecot for tests: one server for a run, and a user of its own for each test."""

import grp
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.connectors.mailbox.certificates import self_signed

PASSWORD = "s3cret-Pässword"
_CONFIGURATION = """
base_dir = {base}/run
state_dir = {base}/run
log_path = {base}/log
protocols = imap
listen = 127.0.0.1
ssl = yes
ssl_cert = <{base}/certificate.pem
ssl_key = <{base}/key.pem
disable_plaintext_auth = no
default_internal_user = {user}
default_internal_group = {group}
default_login_user = {login_user}
mail_location = maildir:{base}/mail/%u
mail_fsync = never
mail_max_userip_connections = 100
auth_failure_delay = 0
passdb {{
  driver = passwd-file
  args = scheme=PLAIN username_format=%u {base}/users/%u
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={base}/mail/%u
}}
service imap-login {{
  chroot =
  service_count = 0
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = {tls_port}
  }}
}}
service imap {{
  service_count = 0
  process_limit = 200
}}
service anvil {{
  chroot =
  # After a wrong password it would keep everybody on this machine waiting.
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service stats {{
  chroot =
}}
"""


@dataclass(frozen=True, kw_only=True)
class Dovecot:
    """A server on 127.0.0.1. Its certificate is for that address and signed by nobody else."""

    base: Path
    port: int
    tls_port: int

    @property
    def certificate(self) -> Path:
        return self.base / "certificate.pem"

    def add(self, user: str) -> None:
        """Let a user in, with PASSWORD."""
        (self.base / "users" / user).write_text(f"{user}:{{PLAIN}}{PASSWORD}\n")

    def remove(self, user: str) -> None:
        """Let a user in no more, and end what connections there are."""
        (self.base / "users" / user).unlink()
        time.sleep(1.05)  # it looks at the file once a second
        _doveadm(self.base, "kick", user)


def missing() -> str:
    """Why there can be no server here; "" where there can."""
    return "" if _program("dovecot") else "Dovecot is not installed (apt-get install dovecot-imapd)"


@contextmanager
def running() -> Iterator[Dovecot]:
    """A server while the block runs."""
    with tempfile.TemporaryDirectory(prefix="dovecot-") as name:
        base = Path(name)
        # Its processes run as other users where this one is root.
        base.chmod(0o755)
        (base / "mail").mkdir(mode=0o777)
        (base / "mail").chmod(0o777)
        (base / "users").mkdir()
        self_signed(base / "certificate.pem", base / "key.pem")
        server = Dovecot(base=base, port=_free_port(), tls_port=_free_port())
        own = pwd.getpwuid(os.getuid())
        nobody = pwd.getpwnam("nobody") if own.pw_uid == 0 else own
        (base / "dovecot.conf").write_text(
            _CONFIGURATION.format(
                base=base,
                port=server.port,
                tls_port=server.tls_port,
                user=own.pw_name,
                group=grp.getgrgid(own.pw_gid).gr_name,
                login_user=nobody.pw_name,
                uid=nobody.pw_uid,
                gid=nobody.pw_gid,
            )
        )
        process = subprocess.Popen([_program("dovecot"), "-F", "-c", str(base / "dovecot.conf")])
        try:
            _wait_for(server.port, base / "log")
            yield server
        finally:
            process.terminate()
            process.wait(timeout=10)


def _program(name: str) -> str:
    return shutil.which(name, path=f"{os.defpath}:/usr/sbin:/usr/local/sbin") or ""


def _doveadm(base: Path, *arguments: str) -> None:
    subprocess.run(
        [_program("doveadm"), "-c", str(base / "dovecot.conf"), *arguments], check=False, capture_output=True
    )


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def _wait_for(port: int, log: Path) -> None:
    for _ in range(200):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError(log.read_text() if log.exists() else "Dovecot does not start")
