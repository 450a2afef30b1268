"""Commands in processes of their own, forked from one that has imported what they need.

To import it takes seconds of processor, which every command of a journey would pay anew.
"""

import atexit
import gc
import importlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

_MOST_BYTES = 2**20
SPARED = ("sentence_transformers", "gateway.cli.commands", "gateway.wiring", "gateway.app", "indexer.durable")
"""What forks need not import."""


@dataclass(frozen=True, kw_only=True)
class Done:
    """A command that ended."""

    code: int
    out: str
    err: str

    def json(self) -> Any:  # noqa: ANN401 - the tests know what a command prints
        return json.loads(self.out)


@dataclass(frozen=True)
class Nursery:
    """The process that the others are forked from, by the address where it listens."""

    address: Path

    def run(
        self, arguments: Sequence[str | Path], *, environment: Mapping[str, str], given: str, timeout_s: float
    ) -> Done:
        """What becomes of `penstock` with these arguments and nothing but this environment."""
        asked = json.dumps({"arguments": list(map(str, arguments)), "environment": dict(environment)})
        with ExitStack() as open_files:
            given_file, out, err = (open_files.enter_context(tempfile.TemporaryFile()) for _ in range(3))
            given_file.write(given.encode())
            given_file.seek(0)
            connection = open_files.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET))
            connection.settimeout(timeout_s)
            connection.connect(str(self.address))
            socket.send_fds(connection, [asked.encode()], [file.fileno() for file in (given_file, out, err)])
            code = int(connection.recv(_MOST_BYTES))
            return Done(code=code, out=_text(out), err=_text(err))


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode()


@contextmanager
def nursery() -> Iterator[Nursery]:
    """A nursery, until the block ends."""
    with tempfile.TemporaryDirectory() as folder:
        address = Path(folder) / "nursery"
        command = [sys.executable, "-m", "tests.journeys.nursery", str(address)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, env=os.environ | {"OMP_NUM_THREADS": "1"}) as process:  # noqa: TID251 - handed on
            try:
                assert process.stdout is not None
                assert process.stdout.readline() == b"ready\n"
                yield Nursery(address)
            finally:
                process.terminate()


def main(address: str) -> None:
    """Fork for each connection, until told to stop. The forks end as the command that was asked for."""
    from gateway.settings import apply_quiet_defaults

    apply_quiet_defaults()
    for module in SPARED:
        importlib.import_module(module)
    gc.freeze()  # a collection in a fork would copy what it looks at

    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listening:
        listening.bind(address)
        listening.listen()
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        while True:
            connection, _ = listening.accept()
            if os.fork() == 0:
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                break
            connection.close()
    with connection:
        asked, files, _, _ = socket.recv_fds(connection, _MOST_BYTES, 3)
        if (command := os.fork()) != 0:
            _, status = os.waitpid(command, 0)
            connection.send(str(os.waitstatus_to_exitcode(status)).encode())
            os._exit(0)
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    _become(json.loads(asked))


def _become(asked: Mapping[str, object]) -> None:
    match asked:
        case {"arguments": list(arguments), "environment": dict(environment)}:
            sys.argv = ["penstock", *arguments]
            os.environ.clear()  # noqa: TID251 - the fork is another process
            os.environ.update(environment)  # noqa: TID251 - as above
    from gateway.cli import main as penstock

    code: object = 0
    try:
        penstock()
    except SystemExit as end:
        code = end.code
    # As an interpreter ends, but for taking apart the libraries that it was spared from loading.
    threading._shutdown()  # type: ignore[attr-defined] # noqa: SLF001
    atexit._run_exitfuncs()  # noqa: SLF001
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else bool(code))


if __name__ == "__main__":
    main(sys.argv[1])
