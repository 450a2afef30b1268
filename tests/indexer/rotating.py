"""Processes that rotate a keyring and are killed on the way, one at each line of the code that does it.

python -m tests.indexer.rotating FOLDER

Prints, as JSON, after how many of the kills which master key opened the keyring, and what was wrong.
"""

import base64
import json
import os
import shutil
import signal
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from types import FrameType

from indexer import database, keyring, master, sqlite
from indexer.keyring import KeyId, Keyring
from indexer.master import LocalMasterKey, create_master_key
from indexer.seal import Key
from policies.errors import SettingsError
from policies.model import SourceName

OLD = LocalMasterKey(Key(b"m" * 32))
FILES = frozenset(str(module.__file__) for module in (database, keyring, master, sqlite))
DOCUMENTS = 5


def main(folder: Path) -> None:
    """Kill one process after the other until one comes to its end."""
    settled = folder / "settled"
    made = Keyring.create(settled / "keyring.db", OLD)
    expected = dict(made.new_document_key(SourceName("hr")) for _ in range(DOCUMENTS))
    made.close()
    opened_by: Counter[str] = Counter()
    wrong: list[str] = []
    step, killed = 0, True
    while killed:
        copy = folder / str(step)
        shutil.copytree(settled, copy)
        child = os.fork()
        if not child:
            _rotate(copy, step)
        killed = os.WIFSIGNALED(os.waitpid(child, 0)[1])
        able = [name for name, key in _candidates(copy).items() if _opens(copy, key, expected)]
        opened_by["+".join(able)] += 1
        if len(able) != 1 or (not killed and able != ["new"]):
            wrong.append(f"step {step}: opened by {able}")
        step += 1
    print(json.dumps({"steps": step, "opened_by": opened_by, "wrong": wrong}))  # noqa: T201 - its result


def _rotate(folder: Path, step: int) -> None:
    """As the command does it. Kills itself at the line that is run as the `step`-th."""
    opened = Keyring(folder / "keyring.db", OLD)
    passed = 0

    def trace(frame: FrameType, event: str, _: object) -> object:
        nonlocal passed
        if frame.f_code.co_filename not in FILES:
            return None
        if event == "line":
            if passed == step:
                os.kill(os.getpid(), signal.SIGKILL)
            passed += 1
        return trace

    sys.settrace(trace)  # type: ignore[arg-type]  # the stub wants a recursive type that cannot be written
    key = create_master_key(folder / "new.key")
    opened.rotate(LocalMasterKey(key))
    opened.sweep()
    sys.settrace(None)
    os._exit(0)


def _candidates(folder: Path) -> Mapping[str, LocalMasterKey]:
    file = folder / "new.key"
    raw = base64.b64decode(file.read_bytes()) if file.exists() else b""
    return {"old": OLD} | ({"new": LocalMasterKey(Key(raw))} if len(raw) == len(OLD.key) else {})


def _opens(folder: Path, key: LocalMasterKey, expected: Mapping[KeyId, Key]) -> bool:
    try:
        opened = Keyring(folder / "keyring.db", key)
    except SettingsError:
        return False
    same = opened.document_keys(expected) == expected
    opened.close()
    return same


if __name__ == "__main__":
    main(Path(sys.argv[1]))
