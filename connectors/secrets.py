"""Credentials by reference: a manifest names an environment variable or a file, never the secret itself."""

import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from pydantic import SecretStr

from policies.errors import RefusedError

MAX_SECRET_BYTES: Final = 64 * 2**10
"""Chosen: four times a service account's key file."""
_PROCESSES: Final = Path("/proc")
"""Where Linux shows the environment of this process, in which the master key may be."""
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class Secrets:
    """Where references are looked up: the environment, and files relative to `base`, the folder of the manifest.

    `own` are files and folders that no manifest may refer to, for what it refers to is sent to a server that it names.
    """

    environment: Mapping[str, str] = field(repr=False)
    base: Path
    own: tuple[Path, ...] = ()

    def read(self, reference: object, *, option: str) -> SecretStr:
        """The secret that the manifest's `option` refers to, as `{env: NAME}` or `{file: path}`.

        A file's last line end is not part of it.

        Raises:
            RefusedError: it is not a reference, what it names is missing or empty, or it is Penstock's own.
        """
        match reference:
            case {"env": str(name), **rest} if not rest and _NAME.fullmatch(name):
                value = self.environment.get(name, "")
                where, mend = f"environment variable {name}", f"Set {name} where Penstock runs."
            case {"file": str(path), **rest} if not rest and path:
                value = self._file(path)
                where, mend = f"file {path!r}", "Put the secret into that file, readable by this user."
            case _:
                raise RefusedError(
                    f"connector.{option} must not be a secret itself.",
                    mend=f"Write `{option}: {{env: NAME}}` or `{option}: {{file: path}}`.",
                )
        if not value.strip():
            raise RefusedError(f"The {where}, which connector.{option} refers to, is missing or empty.", mend=mend)
        return SecretStr(value)

    def _file(self, path: str) -> str:
        try:
            # Not blocking: a pipe in the file's place would hold the reader up for ever.
            descriptor = os.open(self.base / path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except (OSError, ValueError):
            return ""
        try:
            if self._is_own(descriptor, self.base / path):
                raise RefusedError(
                    "The manifest refers to a file that is Penstock's own.",
                    mend="Put the secret into a file with nothing else in it, outside the home.",
                )
            is_file = stat.S_ISREG(os.fstat(descriptor).st_mode)
            content = os.read(descriptor, MAX_SECRET_BYTES + 1) if is_file else b""
            return "" if len(content) > MAX_SECRET_BYTES else content.decode().removesuffix("\n").removesuffix("\r")
        except (OSError, UnicodeDecodeError):
            return ""
        finally:
            os.close(descriptor)

    def _is_own(self, descriptor: int, path: Path) -> bool:
        """Whether what was opened at a path is a file that is never to be read, by whichever name or link."""
        real, opened = Path(os.path.realpath(path)), os.fstat(descriptor)
        if not os.path.samestat(opened, real.stat()):  # a link was turned since
            return True
        return any(
            real.is_relative_to(os.path.realpath(own)) or (own.exists() and os.path.samestat(opened, own.stat()))
            for own in (_PROCESSES, *self.own)
        )
