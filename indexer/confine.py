"""Work on hostile input in a child process that can be killed: the child's side, run as `python -m indexer.confine`.

Before the served module is loaded the process limits its address space, open files and core dumps, and shuts the
network: where the kernel allows it the process is alone in a network namespace, which binds native code too;
everywhere, Python's own doors to sockets and other programs are shut by an audit hook, which binds Python code only.
Before the first document it gives up writing to files. It ends when its parent does.
"""

import ctypes
import fcntl
import importlib
import json
import os
import resource
import signal
import sys
import time
from collections.abc import Mapping
from math import ceil
from typing import IO

from indexer.sandbox import GRACE_S, JSON, MAX_REPLY_BYTES, REPLY_PREFIX, REQUEST_PREFIX, Handler
from policies.errors import QuarantineError

MAX_OPEN_FILES = 64  # chosen: importing opens one file at a time and handlers open none

_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000  # linux/sched.h
_REFUSED_EVENTS = frozenset(
    {
        "socket.__new__",
        "socket.getaddrinfo",
        "socket.gethostbyaddr",
        "socket.gethostbyname",
        "subprocess.Popen",
        "os.exec",
        "os.fork",
        "os.forkpty",
        "os.posix_spawn",
        "os.spawn",
        "os.system",
    }
)  # https://docs.python.org/3/library/audit_events.html


def _serve(module: str, address_space_bytes: int, lifeline: int) -> None:
    requests, replies = _take_pipes()
    _die_with_parent(lifeline)
    _confine(address_space_bytes)
    try:
        handle: Handler = importlib.import_module(module).prepare()
    except Exception as error:  # noqa: BLE001 - whatever it is, the parent must learn its class
        _reply(replies, {"failed": type(error).__name__})
        return
    # Only now: a fresh install writes its compiled modules while it is imported. From here on not one byte of a
    # document reaches a disk, so a machine that loses power in the middle leaves nothing to erase.
    _limit(resource.RLIMIT_FSIZE, 0)
    _reply(replies, {"ready": True})
    while prefix := requests.read(REQUEST_PREFIX.size):
        head_bytes, body_bytes = REQUEST_PREFIX.unpack(prefix)
        head = json.loads(requests.read(head_bytes))
        body = requests.read(body_bytes)
        _arm(head["timeout_s"])
        answer = _attempt(handle, head["header"], body)
        signal.setitimer(signal.ITIMER_REAL, 0)
        _reply(replies, answer)


def _attempt(handle: Handler, header: dict[str, JSON], body: bytes) -> dict[str, JSON]:
    try:
        return {"answer": dict(handle(header, body))}
    except QuarantineError as error:
        return {"refused": {"message": error.message, "reason": error.reason, "mend": error.mend}}
    except Exception as error:  # noqa: BLE001 - parsers raise anything; only the class is safe to tell
        return {"failed": type(error).__name__}


def _reply(replies: IO[bytes], answer: Mapping[str, JSON]) -> None:
    try:
        text = json.dumps(answer, allow_nan=False).encode()
    except (TypeError, ValueError, MemoryError) as error:
        text = json.dumps({"failed": type(error).__name__}).encode()
    if len(text) > MAX_REPLY_BYTES:
        refused = {
            "message": "The document holds more text than one answer may carry.",
            "reason": "too_large",
            "mend": "Split the document.",
        }
        text = json.dumps({"refused": refused}).encode()
    replies.write(REPLY_PREFIX.pack(len(text)) + text)
    replies.flush()


def _take_pipes() -> tuple[IO[bytes], IO[bytes]]:
    """The pipes under numbers of their own, with 0, 1 and 2 at /dev/null: libraries print."""
    requests, replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nowhere, standard)
    return requests, replies


def _die_with_parent(lifeline: int) -> None:
    """Have the kernel end this process when the parent's end of `lifeline` closes, whatever either is doing."""
    signal.signal(signal.SIGIO, signal.SIG_DFL)
    fcntl.fcntl(lifeline, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(lifeline, fcntl.F_SETFL, fcntl.fcntl(lifeline, fcntl.F_GETFL) | os.O_ASYNC)


def _arm(timeout_s: float) -> None:
    """Have the kernel end this process soon after `timeout_s`, of wall clock or of CPU, even without the parent."""
    signal.setitimer(signal.ITIMER_REAL, timeout_s + GRACE_S)
    _limit(resource.RLIMIT_CPU, ceil(time.process_time() + timeout_s + GRACE_S), for_good=False)


def _limit(kind: int, value: int, *, for_good: bool = True) -> None:
    """Set a limit, or keep the stricter one that this process was started under."""
    _, ceiling = resource.getrlimit(kind)
    if ceiling != resource.RLIM_INFINITY:
        value = min(value, ceiling)
    resource.setrlimit(kind, (value, value if for_good else ceiling))


def _confine(address_space_bytes: int) -> None:
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_NOFILE, MAX_OPEN_FILES)
    _limit(resource.RLIMIT_AS, address_space_bytes)
    if sys.platform == "linux":
        libc = ctypes.CDLL(None)
        if libc.unshare(_CLONE_NEWNET) != 0:  # needs a capability, which a user namespace lends
            libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET)
    # spaCy's thinc imports torch where it is installed: 4 s and 800 MB instead of 1 s and 107 MB.
    sys.modules.update({"torch": None, "transformers": None})  # type: ignore[dict-item]
    sys.addaudithook(_refuse)


def _refuse(event: str, _arguments: tuple[object, ...]) -> None:
    if event in _REFUSED_EVENTS:
        raise PermissionError(event)


if __name__ == "__main__":
    sys.path += filter(None, sys.argv[4:])
    _serve(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
