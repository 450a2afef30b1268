"""Work on hostile input in a child process that can be killed: the parent's side.

A served module offers `prepare() -> Handler`: it loads what it needs once, and the handler answers one request at a
time. Parent and child speak length-prefixed frames over pipes: JSON header and raw bytes in, JSON out. No pickle.
The child has nothing of the parent's environment, its own session, and an empty private folder as cwd, home and
TMPDIR; `indexer.confine` is its side, takes the network and the files away, and says how far that binds. What the
child says is not believed: it may have been taken over by what it read.
"""

import builtins
import json
import os
import resource
import selectors
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import IO, Self, TypeAlias

from policies.errors import DependencyError, QuarantineError

JSON: TypeAlias = bool | int | float | str | list["JSON"] | dict[str, "JSON"] | None
Handler: TypeAlias = Callable[[dict[str, JSON], bytes], Mapping[str, JSON]]

MAX_REPLY_BYTES = 64 * 2**20  # chosen: twenty times the longest real text tried, a novel of 3.2 MB
MAX_CALLS_PER_CHILD = 2000  # chosen: a start of the parser costs 3 s, which is 1.5 ms of a call that takes 4
MAX_RSS_GROWTH_BYTES = 256 * 2**20  # chosen: a child that keeps this much after a call is replaced

REQUEST_PREFIX = struct.Struct(">II")  # bytes of header, bytes of body
REPLY_PREFIX = struct.Struct(">I")  # bytes of JSON
GRACE_S = 1.0  # what a process gets to end by itself

_CHUNK_BYTES = 2**16
_OPEN_AND_SAVE = "Open the document, save it again in the same format, and sync."
_EXCEPTIONS = frozenset(
    name for name, value in vars(builtins).items() if isinstance(value, type) and issubclass(value, Exception)
)


class _LostError(Exception):
    """The child did not answer; the reason is the argument."""


@dataclass(frozen=True, kw_only=True)
class _Child:
    process: subprocess.Popen[bytes]
    requests: IO[bytes]
    replies: IO[bytes]
    lifeline: int
    folder: tempfile.TemporaryDirectory[str]


class Sandbox:
    """One served module in a killable child, started at the first call and replaced after any failure.

    `module` is the served module, `stage` names it in errors, `address_space_bytes` is a hard limit on the child's
    virtual memory (not its resident memory). `refusals` are the message and the mend for each reason for which the
    handler may refuse. `import_from` is a folder searched after the installed packages, for a served module that is not
    installed; all of it must be imported by `prepare`. Safe to share between threads: calls wait for each other.
    """

    def __init__(
        self,
        module: str,
        *,
        stage: str,
        address_space_bytes: int,
        start_timeout_s: float,
        refusals: Mapping[str, tuple[str, str]] = MappingProxyType({}),
        import_from: Path | None = None,
    ) -> None:
        self._module = module
        self._refusals = refusals
        self._import_from = import_from
        self._stage = stage
        self._address_space_bytes = address_space_bytes
        self._start_timeout_s = start_timeout_s
        self._lock = threading.Lock()
        self._child: _Child | None = None
        self._calls = 0
        self._rss_at_start_bytes = 0

    def call(self, header: Mapping[str, JSON], body: bytes, *, timeout_s: float) -> dict[str, JSON]:
        """What the handler answers to `header` and `body`, within `timeout_s` seconds of wall clock.

        Raises:
            QuarantineError: a reason of `refusals`, in their words and not the handler's; else `timeout`,
                `out_of_memory`, `crashed` (also for an answer that is not one), `too_large` (an answer over
                MAX_REPLY_BYTES) or `parser_failed`: any other refusal or exception of the handler. The name of a
                built-in exception is told; any other word of the child, which may be text, is not.
            DependencyError: the child cannot be started; the input was not looked at.
        """
        head = json.dumps({"timeout_s": timeout_s, "header": header}).encode()
        request = REQUEST_PREFIX.pack(len(head), len(body)) + head + body
        with self._lock:
            if self._child and self._child.process.poll() is not None:
                self._stop()  # killed while idle: no fault of this input
            child = self._child or self._start()
            try:
                reply = _exchange(child, request, deadline=time.monotonic() + timeout_s)
            except _LostError as lost:
                self._stop()
                raise self._quarantine(str(lost)) from None
            except BaseException:  # an interrupt between two frames leaves a child that cannot be asked again
                self._stop()
                raise
            self._calls += 1
            if self._is_worn(child):
                self._stop()
            return self._answer(reply)

    def close(self) -> None:
        """End the child. The next call starts a fresh one."""
        with self._lock:
            self._stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _start(self) -> _Child:
        # PR_SET_PDEATHSIG would be simpler, but it fires when the *thread* that started the child ends.
        lifeline_end, lifeline = os.pipe()
        folder = tempfile.TemporaryDirectory(prefix="penstock-")
        arguments = [self._module, str(self._address_space_bytes), str(lifeline_end), str(self._import_from or "")]
        try:
            process = subprocess.Popen(
                # -I: neither the cwd, the environment nor the user's site-packages can put a module in front of ours
                [sys.executable, "-I", "-X", "utf8", "-m", "indexer.confine", *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                bufsize=0,
                cwd=folder.name,
                env=_environment(folder.name),
                pass_fds=[lifeline_end],
                start_new_session=True,
            )
        except OSError as error:
            os.close(lifeline)
            folder.cleanup()
            raise self._unavailable(type(error).__name__) from None
        finally:
            os.close(lifeline_end)
        if process.stdin is None or process.stdout is None:
            raise AssertionError
        child = _Child(
            process=process, requests=process.stdin, replies=process.stdout, lifeline=lifeline, folder=folder
        )
        self._child, self._calls = child, 0
        os.set_blocking(child.requests.fileno(), False)
        os.set_blocking(child.replies.fileno(), False)
        try:
            greeting = _exchange(child, b"", deadline=time.monotonic() + self._start_timeout_s)
        except _LostError as lost:
            self._stop()
            raise self._unavailable(str(lost)) from None
        except BaseException:
            self._stop()
            raise
        if "ready" not in greeting:
            self._stop()
            raise self._unavailable(str(greeting.get("failed")))
        self._rss_at_start_bytes = _rss_bytes(process.pid)
        return child

    def _stop(self) -> None:
        child, self._child = self._child, None
        if child is None:
            return
        with suppress(ProcessLookupError, PermissionError):  # macOS answers EPERM for a group of zombies
            os.killpg(child.process.pid, signal.SIGKILL)
        child.process.wait()
        child.requests.close()
        child.replies.close()
        os.close(child.lifeline)
        child.folder.cleanup()

    def _is_worn(self, child: _Child) -> bool:
        grown = _rss_bytes(child.process.pid) - self._rss_at_start_bytes
        return self._calls >= MAX_CALLS_PER_CHILD or grown > MAX_RSS_GROWTH_BYTES

    def _answer(self, reply: Mapping[str, JSON]) -> dict[str, JSON]:
        match reply:
            case {"answer": dict() as answer}:
                return answer
            case {"refused": str() as reason} if reason in self._refusals:
                message, mend = self._refusals[reason]
                raise QuarantineError(message, reason=reason, stage=self._stage, mend=mend)
            case {"refused": "too_large"}:
                raise self._quarantine("too_large")
            case {"failed": "MemoryError"}:
                self._stop()
                raise self._quarantine("out_of_memory")
            case {"failed": str() as word} | {"refused": str() as word}:
                cause = word if word in _EXCEPTIONS else "an error of its own"
                raise QuarantineError(
                    f"The {self._stage} process failed with {cause}.",
                    reason="parser_failed",
                    stage=self._stage,
                    mend=_OPEN_AND_SAVE,
                )
            case _:
                self._stop()
                raise self._quarantine("crashed")

    def _quarantine(self, reason: str) -> QuarantineError:
        message, mend = {
            "timeout": ("ran out of time", "Split the document, or allow more time."),
            "out_of_memory": ("ran out of memory", "Split the document, or allow more memory."),
            "too_large": ("found more text than one answer may carry", "Split the document."),
        }.get(reason, ("died or sent garbage", _OPEN_AND_SAVE))
        return QuarantineError(f"The {self._stage} process {message}.", reason=reason, stage=self._stage, mend=mend)

    def _unavailable(self, cause: str) -> DependencyError:
        return DependencyError(
            f"The {self._stage} process does not start ({cause}).",
            mend="Run `penstock doctor`; reinstall Penstock with its dependencies, or give it more memory.",
        )


def _environment(folder: str) -> dict[str, str]:
    """All the child gets: nothing of the parent's environment, because that holds secrets."""
    return {
        "PATH": os.defpath,
        "LANG": "C.UTF-8",
        "HOME": folder,
        "TMPDIR": folder,
        "HF_HUB_OFFLINE": "1",
        "DO_NOT_TRACK": "true",
        "SCARF_NO_ANALYTICS": "true",
        "OMP_NUM_THREADS": "1",  # each OpenBLAS thread reserves address space, and a call is one core's work
        "OPENBLAS_NUM_THREADS": "1",
    }


def _exchange(child: _Child, request: bytes, *, deadline: float) -> dict[str, JSON]:
    """The child's next reply, after the whole of `request` was taken by it."""
    pending, incoming = memoryview(request), bytearray()
    with selectors.DefaultSelector() as selector:
        selector.register(child.replies, selectors.EVENT_READ)
        if pending:
            selector.register(child.requests, selectors.EVENT_WRITE)
        while (remaining_s := deadline - time.monotonic()) > 0:
            for key, _ in selector.select(remaining_s):
                if key.fileobj is child.requests:
                    pending = pending[_write(child, pending) :]
                    if not pending:
                        selector.unregister(child.requests)
                else:
                    incoming += _read(child)
            if (reply := _complete(incoming)) is not None:
                if pending:
                    raise _LostError("crashed")
                return reply
    raise _LostError("timeout")


def _write(child: _Child, pending: memoryview) -> int:
    try:
        return os.write(child.requests.fileno(), pending[:_CHUNK_BYTES])
    except BrokenPipeError:
        raise _LostError(_cause_of_death(child.process)) from None


def _read(child: _Child) -> bytes:
    chunk = os.read(child.replies.fileno(), _CHUNK_BYTES)
    if not chunk:
        raise _LostError(_cause_of_death(child.process))
    return chunk


def _complete(incoming: bytearray) -> dict[str, JSON] | None:
    """The reply once all of it has come, None before."""
    if len(incoming) < REPLY_PREFIX.size:
        return None
    (length,) = REPLY_PREFIX.unpack_from(incoming)
    if length > MAX_REPLY_BYTES or len(incoming) > REPLY_PREFIX.size + length:
        raise _LostError("crashed")
    if len(incoming) < REPLY_PREFIX.size + length:
        return None
    try:
        reply = json.loads(incoming[REPLY_PREFIX.size :])
    except (ValueError, RecursionError):
        raise _LostError("crashed") from None
    if not isinstance(reply, dict):
        raise _LostError("crashed")
    return reply


def _cause_of_death(process: subprocess.Popen[bytes]) -> str:
    try:
        status = process.wait(timeout=GRACE_S)
    except subprocess.TimeoutExpired:
        return "crashed"
    match -status:
        case signal.SIGXCPU | signal.SIGALRM:
            return "timeout"
        case signal.SIGKILL:  # we did not send it, so the kernel did, for want of memory
            return "out_of_memory"
        case _:
            return "crashed"


def _rss_bytes(pid: int) -> int:
    """Resident memory now, 0 where there is no /proc.

    Not `ru_maxrss`: a child started by a parent of 2 GB reports 2 GB, because Linux carries the peak over `exec`.
    """
    try:
        resident_pages = Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]
    except OSError:
        return 0
    return int(resident_pages) * resource.getpagesize()
