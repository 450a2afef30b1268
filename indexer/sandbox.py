"""Work on hostile input in child processes that can be killed.

A served module offers `prepare(*words) -> Handler`: it loads what it needs once, and the handler answers one request
at a time. Its answer is what JSON holds, and `bytes`: files found inside a document go back as they are, without
base64.
`indexer.child` is the parent's end of one child, `indexer.confine` is the child's, which takes the network and the
files away and says how far that binds. What the child says is not believed: it may have been taken over by what it
read.
"""

import builtins
import math
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Self

from indexer.child import GRACE_S, Child, LostError
from indexer.frames import JSON, Handler
from policies.errors import DependencyError, QuarantineError

__all__ = ["JSON", "Handler", "Sandbox"]

_REINSTALL = "Run `penstock doctor`; reinstall Penstock with its dependencies, or give it more memory."
_OPEN_AND_SAVE = "Open the document, save it again in the same format, and sync."
_EXCEPTIONS = frozenset(
    name for name, value in vars(builtins).items() if isinstance(value, type) and issubclass(value, Exception)
)


class Sandbox:
    """One served module in killable children, each started when it is needed and replaced after any failure.

    `module` is the served module, `stage` names it in errors, `address_space_bytes` is a hard limit on a child's
    virtual memory (not its resident memory), `cpu_s` on the processor time of one call, in whole seconds, which unlike
    time by the clock does not run out sooner on a busy machine. `refusals` are the message and the mend for each reason
    for which the handler may refuse. `import_from` is a folder searched after the installed packages, for a served
    module that is not installed; all of it must be imported by `prepare`, which is called with `words`. The libraries
    `first` are imported before it; torch and transformers can be imported in no other way. `start_mend` is what to do
    where no child can be started.

    Safe to share between threads: at most `processes` calls run at once, each in a child of its own, and further ones
    wait for their turn.
    """

    def __init__(  # noqa: PLR0913 - each is a limit or a freedom of its own
        self,
        module: str,
        *,
        stage: str,
        address_space_bytes: int,
        start_timeout_s: float,
        cpu_s: float = math.inf,
        refusals: Mapping[str, tuple[str, str]] = MappingProxyType({}),
        import_from: Path | None = None,
        processes: int = 1,
        words: Sequence[str] = (),
        first: Sequence[str] = (),
        start_mend: str = "",
    ) -> None:
        self._module = module
        self._refusals = refusals
        self._import_from = import_from
        self._stage = stage
        self._address_space_bytes = address_space_bytes
        self._start_timeout_s = start_timeout_s
        self._cpu_s = cpu_s
        self._processes = processes
        self._words = words
        self._first = first
        self._start_mend = start_mend
        self._turns = threading.BoundedSemaphore(processes)
        self._idle: deque[Child] = deque()
        self._closing = threading.Lock()

    def call(self, header: Mapping[str, JSON], body: bytes, *, timeout_s: float) -> dict[str, JSON]:
        """What the handler answers to `header` and `body`, within `timeout_s` seconds of wall clock.

        Raises:
            QuarantineError: a reason of `refusals`, in their words and not the handler's; else `timeout`,
                `out_of_memory`, `crashed` (also for an answer that is not one), `too_large` (an answer over
                MAX_REPLY_BYTES) or `parser_failed`: any other refusal or exception of the handler. The name of a
                built-in exception is told; any other word of the child, which may be text, is not.
            DependencyError: the child cannot be started; the input was not looked at.
        """
        with self._turns:
            child = self._rested() or self._start()
            try:
                reply = child.ask(header, body, timeout_s=timeout_s, cpu_s=min(self._cpu_s, timeout_s + GRACE_S))
            except LostError as lost:
                child.stop()
                raise self._quarantine(str(lost)) from None
            except BaseException:  # an interrupt between two frames leaves a child that cannot be asked again
                child.stop()
                raise
            if child.is_fit():
                self._idle.append(child)
            else:
                child.stop()
        return self._answer(reply)

    def warm(self) -> None:
        """Have a child up before the first call. DependencyError: it cannot be started."""
        self.layers()

    def layers(self) -> tuple[str, ...]:
        """What of the kernel's confines a child here, as `Child.layers`. DependencyError: it cannot be started."""
        with self._turns:
            child = self._rested() or self._start()
            self._idle.append(child)
            return child.layers

    def close(self) -> None:
        """End the children, once they have answered the calls that run. The next call starts a fresh one."""
        with self._closing:  # two that close at once would each wait for the turns that the other has taken
            for _ in range(self._processes):
                self._turns.acquire()
            while self._idle:
                self._idle.pop().stop()
            self._turns.release(self._processes)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _rested(self) -> Child | None:
        """A child that has answered before, None where there is none left."""
        while True:
            try:
                child = self._idle.pop()
            except IndexError:
                return None
            if child.is_fit():
                return child
            child.stop()  # killed while idle: no fault of this input

    def _start(self) -> Child:
        try:
            return Child(
                self._module,
                address_space_bytes=self._address_space_bytes,
                start_timeout_s=self._start_timeout_s,
                import_from=self._import_from,
                words=self._words,
                first=self._first,
            )
        except LostError as lost:
            raise DependencyError(
                f"The {self._stage} process does not start ({lost}).",
                mend=self._start_mend or _REINSTALL,
            ) from None

    def _answer(self, reply: Mapping[str, JSON]) -> dict[str, JSON]:
        match reply:
            case {"answer": dict() as answer}:
                return answer
            case {"refused": str() as reason} if reason in self._refusals:
                message, mend = self._refusals[reason]
                raise QuarantineError(message, reason=reason, stage=self._stage, mend=mend)
            case {"refused": "too_large"}:
                raise self._quarantine("too_large")
            case _:
                word = str(reply.get("failed"))
                cause = word if word in _EXCEPTIONS else "an error of its own"
                raise QuarantineError(
                    f"The {self._stage} process failed with {cause}.",
                    reason="parser_failed",
                    stage=self._stage,
                    mend=_OPEN_AND_SAVE,
                )

    def _quarantine(self, reason: str) -> QuarantineError:
        message, mend = {
            "timeout": ("ran out of time", "Split the document."),
            "out_of_memory": ("ran out of memory", "Split the document."),
            "too_large": ("found more text than one answer may carry", "Split the document."),
        }.get(reason, ("died or sent garbage", _OPEN_AND_SAVE))
        return QuarantineError(f"The {self._stage} process {message}.", reason=reason, stage=self._stage, mend=mend)
