"""Work on hostile input in a child process that can be killed: the child's side, run as `python -m indexer.confine`.

Before the served module is loaded the process limits its address space, open files and core dumps, and shuts the
network: where the kernel allows it the process is alone in a network namespace, which binds native code too, but not
where a socket has a path in the file system; everywhere, Python's own doors to sockets and other programs are shut by
an audit hook, which binds Python code only.

Before the first document it gives up the rest, in four layers. By resource limit not one byte can be written to a file.
An audit hook leaves Python code nothing but reading below the folders of the standard library and the installed
packages, for codecs and tables that are loaded when they are first needed. Where the kernel offers Landlock (Linux
5.13), the same rule binds native code. Where it offers seccomp, on x86-64 and aarch64, `indexer.seccomp` refuses to
native code every socket; a file's mode, owner, times and extended attributes; shared memory, queues and keys, which
outlive the process; and other programs and processes. Where it does not, a resource limit lets nobody but root start a
process or a thread. The greeting to the parent names what the kernel offered.

What native code that was taken over still can, with all of that: ask for the state of a file, change folder, start
threads, change the limits and the priority of the user's other processes, and with a Landlock older than version 6
(Linux 6.12) send them signals. Without Landlock also: read, empty, rename and delete what the user can, change bytes of
it through a mapping, and put text into the names of new files. Without seccomp also: talk to a Unix socket that has a
path, put text into extended attributes, leave it in memory that the kernel keeps, and as root start copies of itself;
and, without a network namespace either, send datagrams. It ends when its parent does.
"""

import ctypes
import errno
import fcntl
import importlib
import json
import os
import resource
import signal
import site
import struct
import sys
import sysconfig
import time
from collections.abc import Mapping, Sequence
from math import ceil
from pathlib import Path
from typing import IO, Any

from indexer import seccomp
from indexer.child import GRACE_S
from indexer.frames import JSON, REQUEST_PREFIX, Handler, pack_reply
from policies.errors import QuarantineError

MAX_OPEN_FILES = 64  # chosen: importing opens one file at a time

_SECCOMP = "seccomp"
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
_REFUSED_MODULES = frozenset(
    {"open", "ctypes", "fcntl", "os", "shutil", "signal", "socket", "sqlite3", "subprocess", "syslog"}
)
_HARMLESS_EVENTS = frozenset({"ctypes.create_string_buffer"})  # pypdfium2 asks for them at every document
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND

_NOT_HERE = frozenset({"torch", "transformers"})
"""spaCy and Presidio import them wherever they find them: 2 to 5 s and 200 MB of a child that has no use for them."""

_PR_SET_NO_NEW_PRIVS = 38  # linux/prctl.h
# linux/landlock.h, and the same numbers on every architecture
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION_ONLY, _PATH_BENEATH = 1, 1
_READ_FILE, _READ_DIR = 1 << 2, 1 << 3


def _serve(module: str, address_space_bytes: int, lifeline: int, *, first: Sequence[str], words: Sequence[str]) -> None:
    requests, replies = _take_pipes()
    _die_with_parent(lifeline)
    layers = _confine(address_space_bytes)
    modules: dict[str, Any] = sys.modules
    modules |= dict.fromkeys(_NOT_HERE - {*first})  # to import one fails as if it were not installed
    try:
        for library in first:
            importlib.import_module(library)
        handle: Handler = importlib.import_module(module).prepare(*words)
    except Exception as error:  # noqa: BLE001 - whatever it is, the parent must learn its class
        _reply(replies, {"failed": type(error).__name__})
        return
    # Only now: a fresh install writes its compiled modules while it is imported. From here on not one byte of a
    # document reaches a disk, so a machine that loses power in the middle leaves nothing to erase.
    _limit(resource.RLIMIT_FSIZE, 0)
    try:
        layers += _give_up_the_rest(_library_folders())
    except OSError as error:
        _reply(replies, {"failed": type(error).__name__})
        return
    if _SECCOMP not in layers:
        # A process of its own would outlive this one. Unlike the filter this hits threads too, and lets root.
        _limit(resource.RLIMIT_NPROC, 0)
    _reply(replies, {"ready": layers})
    while prefix := requests.read(REQUEST_PREFIX.size):
        head_bytes, body_bytes = REQUEST_PREFIX.unpack(prefix)
        head = json.loads(requests.read(head_bytes))
        body = requests.read(body_bytes)
        _arm(head["timeout_s"], head["cpu_s"])
        answer = _attempt(handle, head["header"], body)
        signal.setitimer(signal.ITIMER_REAL, 0)
        _reply(replies, answer)


def _attempt(handle: Handler, header: dict[str, JSON], body: bytes) -> dict[str, JSON]:
    try:
        return {"answer": dict(handle(header, body))}
    except QuarantineError as error:
        return {"refused": error.reason}
    except Exception as error:  # noqa: BLE001 - parsers raise anything; only the class is safe to tell
        return {"failed": type(error).__name__}


def _reply(replies: IO[bytes], answer: Mapping[str, JSON]) -> None:
    try:
        frame = pack_reply(answer)
    except OverflowError:
        frame = pack_reply({"refused": "too_large"})
    except (TypeError, ValueError, RecursionError, MemoryError) as error:
        frame = pack_reply({"failed": type(error).__name__})
    replies.writelines(frame)
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


def _arm(timeout_s: float, cpu_s: float) -> None:
    """Have the kernel end this process after `cpu_s` more of the processor, or soon after `timeout_s` by the clock.

    The parent, which watches the clock, may be gone by then.
    """
    signal.setitimer(signal.ITIMER_REAL, timeout_s + GRACE_S)
    _limit(resource.RLIMIT_CPU, ceil(time.process_time() + cpu_s), for_good=False)


def _limit(kind: int, value: int, *, for_good: bool = True) -> None:
    """Set a limit, or keep the stricter one that this process was started under."""
    _, ceiling = resource.getrlimit(kind)
    if ceiling != resource.RLIM_INFINITY:
        value = min(value, ceiling)
    resource.setrlimit(kind, (value, value if for_good else ceiling))


def _confine(address_space_bytes: int) -> list[JSON]:
    """The layer that took effect, if any. Those that take effect everywhere are not named."""
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_NOFILE, MAX_OPEN_FILES)
    _limit(resource.RLIMIT_AS, address_space_bytes)
    alone = sys.platform == "linux" and _leave_network()
    sys.addaudithook(_refuse)
    return ["network namespace"] if alone else []


def _leave_network() -> bool:
    libc = ctypes.CDLL(None)
    # needs a capability, which a user namespace lends
    return 0 in (libc.unshare(flags) for flags in (_CLONE_NEWNET, _CLONE_NEWUSER | _CLONE_NEWNET))


def _refuse(event: str, _arguments: tuple[object, ...]) -> None:
    if event in _REFUSED_EVENTS:
        raise PermissionError(event)


def _library_folders() -> frozenset[str]:
    """The folders of the standard library and of the installed packages, as they lie on disk.

    Not `sys.path`: it may hold the whole checkout where Penstock is installed for development, and a home may be there.
    """
    paths = {*map(sysconfig.get_path, ("stdlib", "platstdlib", "purelib", "platlib")), *site.getsitepackages()}
    return frozenset(os.path.realpath(path) for path in paths if Path(path).is_dir())


def _give_up_the_rest(readable: frozenset[str]) -> list[JSON]:
    """The layers that took effect of those that leave this process nothing but reading below `readable`, for good.

    Raises:
        OSError: the kernel offers Landlock and refuses to apply it.
    """
    layers: list[JSON] = []
    if sys.platform == "linux" and (version := _landlock(readable)):
        layers.append(f"Landlock {version}")
    if seccomp.refuse():
        layers.append(_SECCOMP)

    def refuse(event: str, arguments: tuple[object, ...]) -> None:
        match event, arguments:
            case "open", (path, _, int(flags)) if not flags & _WRITING:
                allowed = _is_below(path, readable)
            case "os.listdir", (path,):
                allowed = _is_below(path, readable)
            case _:
                allowed = event in _HARMLESS_EVENTS or event.partition(".")[0] not in _REFUSED_MODULES
        if not allowed:
            raise PermissionError(errno.EACCES, event)

    sys.addaudithook(refuse)
    return layers


def _is_below(path: object, folders: frozenset[str]) -> bool:
    """Whether `path` leads, through whatever links, to a place in one of `folders`. A relative path does not."""
    if not isinstance(path, str) or not path.startswith("/"):
        return False
    real = os.path.realpath(path)
    return any(real == folder or real.startswith(f"{folder}/") for folder in folders)


def _landlock(readable: frozenset[str]) -> int:
    """Have the kernel refuse this thread, and all it starts, every other use of files, TCP, and signals to others.

    The version of Landlock, of which 4 is the first with TCP and 6 with signals; 0 on a kernel without, where nothing
    happens. A thread that runs already is not bound: served modules start none.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    version = int(libc.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), _VERSION_ONLY))
    if version < 1:
        return 0
    files = (1 << {1: 13, 2: 14, 3: 15, 4: 15}.get(version, 16)) - 1
    tcp = 0b11 if version >= 4 else 0  # noqa: PLR2004 - the version that brought it
    scopes = 0b11 if version >= 6 else 0  # noqa: PLR2004 - abstract sockets and signals
    handled = struct.pack("=QQQ", files, tcp, scopes)  # a kernel that knows fewer fields takes zeros for the others
    ruleset = _checked(libc.syscall(_CREATE_RULESET, handled, ctypes.c_size_t(len(handled)), 0))
    for path in readable:
        folder = os.open(path, os.O_PATH | os.O_CLOEXEC)
        rule = struct.pack("=Qi", _READ_FILE | _READ_DIR, folder)
        _checked(libc.syscall(_ADD_RULE, ruleset, _PATH_BENEATH, rule, 0))
        os.close(folder)
    _checked(libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
    _checked(libc.syscall(_RESTRICT_SELF, ruleset, 0))
    os.close(ruleset)
    return version


def _checked(result: int) -> int:
    if result < 0:
        raise OSError(ctypes.get_errno(), "Landlock")
    return result


if __name__ == "__main__":
    served, memory, parent, folder, libraries, *rest = sys.argv[1:]
    sys.path += filter(None, [folder])
    _serve(served, int(memory), int(parent), first=libraries.split(",") if libraries else [], words=rest)
