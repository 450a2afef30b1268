"""One child process that serves a module, and may be killed at any time: the parent's end.

The child has nothing of the parent's environment, its own session, and an empty private folder as cwd, home and
TMPDIR. `indexer.confine` is what it runs.
"""

import os
import resource
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

from indexer.frames import JSON, pack_request, unpack_reply

MAX_CALLS = 2000  # chosen: a start of the parser costs 3 s, which is 1.5 ms of a call that takes 4
MAX_RSS_GROWTH_BYTES = 256 * 2**20  # chosen: a child that keeps this much after a call is replaced
GRACE_S = 1.0  # what a process gets to end by itself

_CHUNK_BYTES = 2**16


class LostError(Exception):
    """The child did not answer and cannot be asked again; the reason is the argument."""


class Child:
    """Starts at once, serving `module`, prepared with `words` after the libraries `first` were imported.

    For one thread at a time; `stop` it in the end.

    Raises:
        LostError: it does not start; the reason is a word of the child's.
    """

    layers: tuple[str, ...]
    """What of the kernel's confines it, of what not every kernel has: `network namespace`, `Landlock <version>`,
    `seccomp`."""

    def __init__(
        self,
        module: str,
        *,
        address_space_bytes: int,
        start_timeout_s: float,
        import_from: Path | None,
        words: Sequence[str] = (),
        first: Sequence[str] = (),
    ) -> None:
        # PR_SET_PDEATHSIG would be simpler, but it fires when the *thread* that started the child ends.
        lifeline_end, self._lifeline = os.pipe()
        self._folder = tempfile.TemporaryDirectory(prefix="penstock-")
        limits = [str(address_space_bytes), str(lifeline_end)]
        arguments = [module, *limits, str(import_from or ""), ",".join(first), *words]
        try:
            self._process = subprocess.Popen(
                # -I: neither the cwd, the environment nor the user's site-packages can put a module in front of ours
                [sys.executable, "-I", "-X", "utf8", "-m", "indexer.confine", *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                bufsize=0,
                cwd=self._folder.name,
                env=_environment(self._folder.name),
                pass_fds=[lifeline_end],
                start_new_session=True,
            )
        except OSError as error:
            os.close(self._lifeline)
            self._folder.cleanup()
            raise LostError(type(error).__name__) from None
        finally:
            os.close(lifeline_end)
        self._requests, self._replies = _pipe(self._process.stdin), _pipe(self._process.stdout)
        try:
            greeting = self._exchange(b"", deadline=time.monotonic() + start_timeout_s)
        except BaseException:
            self.stop()
            raise
        match greeting:
            case {"ready": list(layers)}:
                self.layers = tuple(map(str, layers))
            case _:
                self.stop()
                raise LostError(str(greeting.get("failed")))
        self._calls = 0
        self._rss_at_start_bytes = _rss_bytes(self._process.pid)

    def ask(self, header: Mapping[str, JSON], body: bytes, *, timeout_s: float, cpu_s: float) -> dict[str, JSON]:
        """`{"answer": {...}}`, or `{"refused": word}`, or `{"failed": word}` from the handler.

        Raises:
            LostError: `timeout`, `out_of_memory` or `crashed`.
        """
        self._calls += 1
        request = pack_request({"timeout_s": timeout_s, "cpu_s": cpu_s, "header": dict(header)}, body)
        reply = self._exchange(request, deadline=time.monotonic() + timeout_s)
        match reply:
            case {"failed": "MemoryError"}:
                raise LostError("out_of_memory")
            case {"answer": dict()} | {"refused": str()} | {"failed": str()}:
                return reply
            case _:
                raise LostError("crashed")

    def is_fit(self) -> bool:
        """Whether it may be asked again: it runs, and neither its calls nor its memory have become too many."""
        grown = _rss_bytes(self._process.pid) - self._rss_at_start_bytes
        return self._process.poll() is None and self._calls < MAX_CALLS and grown <= MAX_RSS_GROWTH_BYTES

    def stop(self) -> None:
        """End it now, whatever it is doing, with all that it started and with its folder."""
        with suppress(ProcessLookupError, PermissionError):  # macOS answers EPERM for a group of zombies
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._requests.close()
        self._replies.close()
        os.close(self._lifeline)
        self._folder.cleanup()

    def _exchange(self, request: bytes, *, deadline: float) -> dict[str, JSON]:
        """The child's next reply, after the whole of `request` was taken by it."""
        pending, incoming = memoryview(request), bytearray()
        with selectors.DefaultSelector() as selector:
            selector.register(self._replies, selectors.EVENT_READ)
            if pending:
                selector.register(self._requests, selectors.EVENT_WRITE)
            while (remaining_s := deadline - time.monotonic()) > 0:
                for key, _ in selector.select(remaining_s):
                    if key.fileobj is self._requests:
                        pending = pending[self._write(pending) :]
                        if not pending:
                            selector.unregister(self._requests)
                    else:
                        incoming += self._read()
                try:
                    reply = unpack_reply(incoming)
                except ValueError:
                    raise LostError("crashed") from None
                if reply is not None:
                    if pending:
                        raise LostError("crashed")
                    return reply
        raise LostError("timeout")

    def _write(self, pending: memoryview) -> int:
        try:
            return os.write(self._requests.fileno(), pending[:_CHUNK_BYTES])
        except BrokenPipeError:
            raise LostError(self._cause_of_death()) from None

    def _read(self) -> bytes:
        chunk = os.read(self._replies.fileno(), _CHUNK_BYTES)
        if not chunk:
            raise LostError(self._cause_of_death())
        return chunk

    def _cause_of_death(self) -> str:
        try:
            status = self._process.wait(timeout=GRACE_S)
        except subprocess.TimeoutExpired:
            return "crashed"
        match -status:
            case signal.SIGXCPU | signal.SIGALRM:
                return "timeout"
            case signal.SIGKILL:  # we did not send it, so the kernel did, for want of memory
                return "out_of_memory"
            case _:
                return "crashed"


def _environment(folder: str) -> dict[str, str]:
    """All the child gets: nothing of the parent's environment, because that holds secrets."""
    return {
        "PATH": os.defpath,
        "LANG": "C.UTF-8",
        "HOME": folder,
        "TMPDIR": folder,
        "HF_HUB_OFFLINE": "1",
        # No thread may run before the child is confined: Landlock would not bind it.
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "HF_DEACTIVATE_ASYNC_LOAD": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "DO_NOT_TRACK": "true",
        "SCARF_NO_ANALYTICS": "true",
        "OMP_NUM_THREADS": "1",  # each OpenBLAS thread reserves address space, and a call is one core's work
        "OPENBLAS_NUM_THREADS": "1",
    }


def _pipe(end: IO[bytes] | None) -> IO[bytes]:
    if end is None:
        raise AssertionError
    os.set_blocking(end.fileno(), False)
    return end


def _rss_bytes(pid: int) -> int:
    """Resident memory now, 0 where there is no /proc.

    Not `ru_maxrss`: a child started by a parent of 2 GB reports 2 GB, because Linux carries the peak over `exec`.
    """
    try:
        resident_pages = Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]
    except OSError:
        return 0
    return int(resident_pages) * resource.getpagesize()
