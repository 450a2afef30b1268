"""A served module that misbehaves on request."""

import ctypes
import os
import re
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from indexer.sandbox import JSON, Handler
from policies.errors import QuarantineError

Act = Callable[[dict[str, JSON], bytes], dict[str, JSON]]


def prepare() -> Handler:
    kept: list[bytes] = []

    def keep(header: dict[str, JSON], _body: bytes) -> dict[str, JSON]:
        kept.append(b"x" * int(str(header["n"])))
        return {"pid": os.getpid()}

    acts: dict[str, Act] = {**ACTS, "keep": keep}
    return lambda header, body: acts[str(header["act"])](header, body)


def _echo(header: dict[str, JSON], body: bytes) -> dict[str, JSON]:
    return {"header": header, "length": len(body), "text": body[:100].decode("latin-1"), "pid": os.getpid()}


def _refuse(_header: dict[str, JSON], _body: bytes) -> dict[str, JSON]:
    raise QuarantineError("The file is locked.", reason="encrypted", stage="elsewhere", mend="Unlock it.")


def _raise(_header: dict[str, JSON], body: bytes) -> dict[str, JSON]:
    raise KeyError(body.decode())


def _hang(_header: dict[str, JSON], _body: bytes) -> dict[str, JSON]:
    """One call into C that holds the interpreter, so that no thread or signal handler of Python's could end it."""
    return {"n": bool(re.match("(a|a)*b", "a" * 100))}


def _exhaust(_header: dict[str, JSON], _body: bytes) -> dict[str, JSON]:
    return {"n": len([b"x" * 2**24 for _ in range(2**12)])}


def _abort(_header: dict[str, JSON], _body: bytes) -> dict[str, JSON]:
    os.abort()


def _exit(_header: dict[str, JSON], _body: bytes) -> dict[str, JSON]:
    sys.exit(0)


def _kill(_header: dict[str, JSON], _body: bytes) -> dict[str, JSON]:
    os.kill(os.getpid(), signal.SIGKILL)
    return {}


def _print(_header: dict[str, JSON], _body: bytes) -> dict[str, JSON]:
    sys.stdout.write("noise\n")
    sys.stdout.flush()
    os.write(1, b"noise")
    os.write(2, b"noise")
    return {"stdin": len(os.read(0, 10))}


def _garbage(_header: dict[str, JSON], body: bytes) -> dict[str, JSON]:
    for descriptor in range(3, 64):
        try:
            os.write(descriptor, body)
        except OSError:
            continue
    return {}


def _surroundings(_header: dict[str, JSON], _body: bytes) -> dict[str, JSON]:
    limits: dict[str, JSON] = {}
    for name in ("RLIMIT_CORE", "RLIMIT_FSIZE", "RLIMIT_NOFILE", "RLIMIT_AS"):
        limits[name] = resource.getrlimit(getattr(resource, name))[0]
    return {
        "environment": dict(os.environ),  # noqa: TID251 - what the child can see is the question
        "cwd": str(Path.cwd()),
        "folder": [str(path) for path in Path.cwd().iterdir()],
        "path": list(sys.path),
        "leader": os.getsid(0) == os.getpid(),
        "limits": limits,
    }


def _name(call: Callable[[], object]) -> str:
    try:
        call()
    except BaseException as error:  # noqa: BLE001 - which one it is, is the question
        return type(error).__name__
    return "none"


def _escape(_header: dict[str, JSON], _body: bytes) -> dict[str, JSON]:
    def native_connection() -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        address = b"\x02\x00\x00\x50" + bytes([192, 0, 2, 1]) + bytes(8)  # 192.0.2.1:80, never assigned (RFC 5737)
        descriptor = libc.socket(2, 1 | os.O_NONBLOCK, 0)
        libc.connect(descriptor, address, 16)
        raise OSError(ctypes.get_errno(), "native")

    def written() -> None:
        with tempfile.TemporaryFile() as file:
            file.write(b"x")

    def network() -> str:
        try:
            native_connection()
        except OSError as error:
            return str(error.errno)
        return "0"

    return {
        "socket": _name(socket.socket),
        "name": _name(lambda: socket.getaddrinfo("localhost", 80)),
        "program": _name(lambda: subprocess.run(["/bin/true"], check=False)),
        "shell": _name(lambda: os.system("true")),  # noqa: S605, S607 - it must be refused
        "fork": _name(os.fork),
        "file": _name(written),
        "torch": _name(lambda: __import__("torch")),
        "native_errno": network(),
    }


def _big(header: dict[str, JSON], _body: bytes) -> dict[str, JSON]:
    return {"text": "x" * int(str(header["n"]))}


def _not_json(_header: dict[str, JSON], _body: bytes) -> dict[str, JSON]:
    return {"n": float("nan")}


def _sleep(header: dict[str, JSON], _body: bytes) -> dict[str, JSON]:
    time.sleep(float(str(header["s"])))
    return {"pid": os.getpid()}


ACTS: dict[str, Act] = {
    "echo": _echo,
    "refuse": _refuse,
    "raise": _raise,
    "hang": _hang,
    "exhaust": _exhaust,
    "abort": _abort,
    "exit": _exit,
    "kill": _kill,
    "print": _print,
    "garbage": _garbage,
    "surroundings": _surroundings,
    "escape": _escape,
    "big": _big,
    "not_json": _not_json,
    "sleep": _sleep,
}
