"""What a hostile or broken handler can and cannot do."""

import ctypes
import errno
import math
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from indexer import child, frames
from indexer.sandbox import Sandbox
from indexer.seccomp import MACHINES
from policies.errors import DependencyError, QuarantineError
from tests.patience import comes_true, patient

HERE = Path(__file__).parent
SECRET = "a very secret sentence"

PARENT = """
import sys
from pathlib import Path
from indexer.sandbox import Sandbox
box = Sandbox("served", stage="parse", address_space_bytes=2**29, start_timeout_s=60, import_from=Path(sys.argv[1]))
print(box.call({"act": "echo"}, b"", timeout_s=20)["pid"], flush=True)
box.call({"act": sys.argv[2], "s": 300}, b"", timeout_s=300)
"""

BARE = """
import os, sys
from dataclasses import replace
from pathlib import Path
from indexer.sandbox import Sandbox
from indexer.seccomp import MACHINES, install
own = MACHINES[os.uname().machine]
unshare = {317: 272, 277: 97}[own.seccomp]
assert install(replace(own, refused=frozenset({own.seccomp, unshare, 444})))
with Sandbox(
    "served", stage="parse", address_space_bytes=2**29, start_timeout_s=60, import_from=Path(sys.argv[1])
) as box:
    print(box.layers())
    print(box.call({"act": "big", "n": 1}, b"", timeout_s=20))
"""


def served(
    name: str = "served", *, address_space_bytes: int = 2**29, cpu_s: float = math.inf, processes: int = 1
) -> Sandbox:
    return Sandbox(
        name,
        stage="parse",
        address_space_bytes=address_space_bytes,
        start_timeout_s=60,
        cpu_s=cpu_s,
        refusals={"encrypted": ("The file is locked.", "Unlock it.")},
        import_from=HERE,
        processes=processes,
    )


def landlock_version() -> int:
    """0 where the kernel has none."""
    return max(0, int(ctypes.CDLL(None).syscall(444, None, ctypes.c_size_t(0), 1)))


def seccomp_is_offered() -> bool:
    """Whether the kernel has filters, and this machine one of ours."""
    return os.uname().machine in MACHINES and "Seccomp_filters:" in Path("/proc/self/status").read_text()


@pytest.fixture
def box() -> Iterator[Sandbox]:
    with served() as sandbox:
        yield sandbox


def pid_of(box: Sandbox) -> int:
    return int(str(box.call({"act": "echo"}, b"", timeout_s=20)["pid"]))


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def together(*calls: Callable[[], object]) -> None:
    """All of them at once, each in a thread, to the end, and then the first of their errors."""
    with ThreadPoolExecutor(len(calls)) as threads:
        for running in [threads.submit(call) for call in calls]:
            running.result()


def reason_of(box: Sandbox, act: str, *, timeout_s: float = 20, body: bytes = b"", **header: str | int) -> str:
    with pytest.raises(QuarantineError) as caught:
        box.call({"act": act, **header}, body, timeout_s=timeout_s)
    assert caught.value.stage == "parse"
    assert caught.value.mend
    assert SECRET not in str(caught.value)
    return caught.value.reason


def test_header_and_body_arrive_whole(box: Sandbox) -> None:
    answer = box.call({"act": "echo", "é": ["x", 1, None]}, b"ab" * 5_000_000, timeout_s=20)
    assert answer["header"] == {"act": "echo", "é": ["x", 1, None]}
    assert answer["length"] == 10_000_000


def test_an_answer_larger_than_a_pipe_arrives_whole(box: Sandbox) -> None:
    assert box.call({"act": "big", "n": 5_000_000}, b"", timeout_s=20) == {"text": "x" * 5_000_000}


def test_files_found_inside_a_document_arrive_as_bytes(box: Sandbox) -> None:
    content = bytes(range(256)) * 4000
    assert box.call({"act": "attach"}, content, timeout_s=20) == {
        "parts": [{"name": "first", "content": content}, {"name": "second", "content": content[::-1]}]
    }


def test_one_child_serves_many_calls(box: Sandbox) -> None:
    assert len({pid_of(box) for _ in range(5)}) == 1


def test_a_refusal_by_the_handler_is_told_in_the_words_of_the_parent(box: Sandbox) -> None:
    with pytest.raises(QuarantineError) as caught:
        box.call({"act": "refuse", "reason": "encrypted"}, b"", timeout_s=20)
    error = caught.value
    assert (error.message, error.reason, error.mend) == ("The file is locked.", "encrypted", "Unlock it.")
    assert error.stage == "parse"


@pytest.mark.parametrize("reason", [SECRET, "", "Encrypted", "bomb", "timeout"])
def test_a_refusal_for_a_reason_that_is_not_known_says_nothing_of_the_childs(box: Sandbox, reason: str) -> None:
    with pytest.raises(QuarantineError) as caught:
        box.call({"act": "refuse", "reason": reason}, b"", timeout_s=20)
    assert (caught.value.message, caught.value.reason) == (
        "The parse process failed with an error of its own.",
        "parser_failed",
    )
    assert caught.value.mend == "Open the document, save it again in the same format, and sync."


def test_an_exception_that_is_not_built_in_is_not_named(box: Sandbox) -> None:
    with pytest.raises(QuarantineError) as caught:
        box.call({"act": "invent"}, b"Very_secret_word", timeout_s=20)
    assert caught.value.message == "The parse process failed with an error of its own."


def test_any_other_exception_tells_its_class_and_never_its_message(box: Sandbox) -> None:
    before = pid_of(box)
    with pytest.raises(QuarantineError) as caught:
        box.call({"act": "raise"}, SECRET.encode(), timeout_s=20)
    assert caught.value.reason == "parser_failed"
    assert "KeyError" in str(caught.value)
    assert SECRET not in str(caught.value)
    assert caught.value.__cause__ is None
    assert pid_of(box) == before


@pytest.mark.parametrize(
    ("act", "reason"),
    [
        ("exhaust", "out_of_memory"),
        ("kill", "out_of_memory"),
        ("abort", "crashed"),
        ("exit", "crashed"),
        ("nest", "parser_failed"),
        ("not_json", "parser_failed"),
    ],
)
def test_a_failing_child_is_told_by_its_reason_and_the_next_call_works(box: Sandbox, act: str, reason: str) -> None:
    assert reason_of(box, act) == reason
    assert pid_of(box)


@pytest.mark.parametrize(("act", "timeout_s"), [("hang", 0.5), ("exhaust", 20)])
def test_no_mend_names_a_setting_that_there_is_not(box: Sandbox, act: str, timeout_s: float) -> None:
    with pytest.raises(QuarantineError) as caught:
        box.call({"act": act}, b"", timeout_s=timeout_s)
    assert caught.value.mend == "Split the document."


def test_a_child_over_its_time_is_killed_and_replaced(box: Sandbox) -> None:
    before = pid_of(box)
    with patient():
        assert reason_of(box, "hang", timeout_s=0.5) == "timeout"
    assert not is_running(before)
    assert pid_of(box) != before


def test_a_child_over_its_processor_time_is_killed_and_one_that_waits_is_not() -> None:
    with served(cpu_s=1) as box:
        before = pid_of(box)
        assert box.call({"act": "sleep", "s": 2.5}, b"", timeout_s=20)["pid"] == before
        assert reason_of(box, "hang", timeout_s=60) == "timeout"
        assert not is_running(before)
        assert pid_of(box)


@pytest.mark.parametrize("garbage", [b"\xff" * 50, b"{}" * 50, b"\x00\x00\x00\x02[]", b"\x00\x00\x00\x09[[[[[[[[["])
def test_garbage_in_place_of_an_answer_is_a_crash(box: Sandbox, garbage: bytes) -> None:
    assert reason_of(box, "garbage", body=garbage) == "crashed"
    assert pid_of(box)


def test_an_answer_over_the_limit_is_too_large(box: Sandbox) -> None:
    assert reason_of(box, "big", n=frames.MAX_REPLY_BYTES) == "too_large"


def test_what_a_library_prints_does_not_reach_the_frames(box: Sandbox) -> None:
    assert box.call({"act": "print"}, b"", timeout_s=20) == {"stdin": 0}
    assert pid_of(box)


def test_the_child_sees_nothing_of_its_parents_environment(box: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PENSTOCK_MASTER_KEY", SECRET)
    seen = box.call({"act": "surroundings"}, b"", timeout_s=20)
    folder = seen["cwd"]
    assert seen["environment"] == {
        "PATH": os.defpath,
        "LANG": "C.UTF-8",
        "HOME": folder,
        "TMPDIR": folder,
        "HF_HUB_OFFLINE": "1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "HF_DEACTIVATE_ASYNC_LOAD": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "DO_NOT_TRACK": "true",
        "SCARF_NO_ANALYTICS": "true",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }
    assert seen["folder"] == []
    assert isinstance(seen["path"], list)
    assert str(folder) not in seen["path"]
    assert "" not in seen["path"]
    assert seen["leader"] is True
    assert isinstance(seen["limits"], dict)
    assert 21 <= float(str(seen["limits"].pop("RLIMIT_CPU"))) < 30  # what the start took, and 21 for this call
    processes = seen["limits"].pop("RLIMIT_NPROC")
    assert processes == 0 or "seccomp" in box.layers()
    assert seen["limits"] == {"RLIMIT_CORE": 0, "RLIMIT_FSIZE": 0, "RLIMIT_NOFILE": 64, "RLIMIT_AS": 2**29}


def test_the_private_folder_goes_with_the_child(box: Sandbox) -> None:
    folder = Path(str(box.call({"act": "surroundings"}, b"", timeout_s=20)["cwd"]))
    assert folder.is_dir()
    box.close()
    assert not folder.exists()


def test_network_programs_files_and_torch_are_out_of_reach(box: Sandbox) -> None:
    refused = box.call({"act": "escape"}, b"", timeout_s=20)
    native = refused.pop("native_errno")
    assert refused == {
        "socket": "PermissionError",
        "name": "PermissionError",
        "program": "PermissionError",
        "shell": "PermissionError",
        "fork": "PermissionError",
        "file": "FileNotFoundError",  # tempfile finds no folder that a byte can be written to
        "torch": "ModuleNotFoundError",
    }
    if "seccomp" in box.layers():
        assert native == errno.EPERM
    elif landlock_version() >= 4:
        assert native == errno.EACCES  # it knows TCP
    else:
        assert native in {errno.ENETUNREACH, errno.EINPROGRESS}  # the first in a namespace of its own


@pytest.fixture
def key(tmp_path: Path) -> Path:
    """A file of the user's that is no business of a document's."""
    path = tmp_path / "master.key"
    path.write_text(SECRET)
    return path


def test_python_code_can_read_libraries_and_no_other_file_and_change_none(box: Sandbox, key: Path) -> None:
    reached = box.call({"act": "reach", "path": str(key)}, b"", timeout_s=20)
    assert reached.pop("packaged") == "none"
    assert reached.pop("delete_tree") == "PermissionError"
    assert set(map(str, reached.values())) == {"PermissionError"}
    assert len(reached) == 22
    assert [path.name for path in key.parent.iterdir()] == ["master.key"]
    assert key.read_text() == SECRET
    assert key.stat().st_mode & 0o777 != 0o777


@pytest.mark.skipif(landlock_version() < 3, reason="this kernel has no Landlock that knows truncation")
def test_native_code_can_neither_read_nor_change_a_file_where_the_kernel_has_landlock(box: Sandbox, key: Path) -> None:
    reached = box.call({"act": "native", "path": str(key)}, b"", timeout_s=20)
    assert reached == dict.fromkeys(
        ["read", "list", "write", "create", "folder", "truncate", "rename", "delete"], errno.EACCES
    )
    assert [path.name for path in key.parent.iterdir()] == ["master.key"]
    assert key.read_text() == SECRET


def test_native_code_can_say_nothing_to_a_socket_nor_beside_a_file(box: Sandbox, key: Path) -> None:
    if "seccomp" not in box.layers():
        pytest.skip("this kernel has no seccomp, or this machine no filter")
    before = key.stat()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"{key}.sock")
        listener.listen()
        listener.setblocking(False)
        left = box.call({"act": "leave", "path": str(key)}, b"", timeout_s=20)
        with pytest.raises(BlockingIOError):
            listener.accept()
    assert left.pop("socket") == -1
    assert left == dict.fromkeys(
        ["connect", "pair", "attribute", "mode", "owner", "times", "memory", "queue"], errno.EPERM
    )
    assert os.listxattr(key) == []
    after = key.stat()
    assert (after.st_mode, after.st_mtime_ns) == (before.st_mode, before.st_mtime_ns)


def test_the_layers_that_the_kernel_offers_are_told(box: Sandbox) -> None:
    version = landlock_version()
    landlock = [f"Landlock {version}"] if version else []
    assert [layer for layer in box.layers() if layer != "network namespace"] == [
        *landlock,
        *(["seccomp"] if seccomp_is_offered() else []),
    ]
    pid = pid_of(box)
    assert box.layers()
    assert pid_of(box) == pid


def test_where_the_kernel_refuses_every_layer_the_child_starts_with_none() -> None:
    if not seccomp_is_offered():
        pytest.skip("this kernel has no seccomp, or this machine no filter")
    alone = subprocess.run([sys.executable, "-c", BARE, str(HERE)], capture_output=True, text=True, check=True)
    assert alone.stdout.split("\n") == ["()", "{'text': 'x'}", ""]


def test_a_folder_in_the_cwd_cannot_shadow_our_packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "__init__.py").write_text("raise SystemExit")
    monkeypatch.chdir(tmp_path)
    with served() as box:
        assert pid_of(box)


def test_a_module_that_cannot_be_prepared_is_no_fault_of_the_document() -> None:
    with served("no_such_module") as box, pytest.raises(DependencyError, match="ModuleNotFoundError"):
        box.call({}, b"", timeout_s=20)


def test_a_child_without_memory_to_start_is_no_fault_of_the_document() -> None:
    with served(address_space_bytes=2**20) as box, pytest.raises(DependencyError):
        box.call({}, b"", timeout_s=20)


def test_a_child_killed_while_idle_costs_no_document(box: Sandbox) -> None:
    before = pid_of(box)
    os.kill(before, signal.SIGKILL)
    assert comes_true(lambda: not is_running(before))
    assert pid_of(box) != before


def test_a_child_that_has_grown_is_replaced(box: Sandbox) -> None:
    grown = box.call({"act": "keep", "n": child.MAX_RSS_GROWTH_BYTES + 2**24}, b"", timeout_s=20)
    assert pid_of(box) != grown["pid"]


def test_a_child_is_replaced_after_its_calls(box: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child, "MAX_CALLS", 3)
    pids = [pid_of(box) for _ in range(6)]
    assert pids[0] == pids[1] == pids[2] != pids[3] == pids[4] == pids[5]


@pytest.mark.parametrize("processes", [1, 3])
def test_every_thread_gets_the_answer_to_its_own_question(processes: int) -> None:
    answers: list[object] = []

    def ask(pool: Sandbox, number: int) -> None:
        answers.append((number, pool.call({"act": "echo", "n": number}, b"", timeout_s=20)["header"]))

    with served(processes=processes) as pool:
        together(*(partial(ask, pool, number) for number in range(8)))
    assert sorted(answers, key=str) == [(number, {"act": "echo", "n": number}) for number in range(8)]


@pytest.mark.parametrize(("processes", "overlap"), [(1, False), (2, True)])
def test_as_many_calls_run_at_once_as_there_are_processes(processes: int, overlap: bool) -> None:  # noqa: FBT001
    spans: list[tuple[float, float]] = []

    def sleep(pool: Sandbox) -> None:
        slept = pool.call({"act": "sleep", "s": 0.5}, b"", timeout_s=20)
        spans.append((float(str(slept["began"])), float(str(slept["ended"]))))

    with served(processes=processes) as pool:
        together(*[partial(pool.call, {"act": "sleep", "s": 0.5}, b"", timeout_s=20)] * processes)  # all are started
        together(*[partial(sleep, pool)] * 2)
    (_, first_ended), (second_began, _) = sorted(spans)
    assert (second_began < first_ended) is overlap


def test_a_call_after_another_asks_the_child_that_runs_already() -> None:
    with served(processes=3) as pool:
        assert len({pid_of(pool) for _ in range(5)}) == 1


def test_a_killed_child_does_not_disturb_the_others() -> None:
    slept: list[object] = []

    def sleep(pool: Sandbox) -> None:
        slept.append(pool.call({"act": "sleep", "s": 1.5}, b"", timeout_s=20)["pid"])

    def die(pool: Sandbox) -> None:
        time.sleep(0.5)
        for act, reason in [("kill", "out_of_memory"), ("abort", "crashed")]:
            assert reason_of(pool, act) == reason

    with served(processes=2) as pool:
        together(partial(sleep, pool), partial(die, pool))
        assert [pid_of(pool)] == slept


def test_closing_ends_every_child_once_it_has_answered() -> None:
    pids: list[int] = []
    pool = served(processes=3)

    def sleep() -> None:
        pids.append(int(str(pool.call({"act": "sleep", "s": 0.5}, b"", timeout_s=20)["pid"])))

    def close() -> None:
        time.sleep(0.2)
        pool.close()

    together(sleep, sleep, sleep, close, close)
    pool.close()
    assert len(set(pids)) == 3
    assert not any(map(is_running, pids))


def test_a_child_that_cannot_start_gives_its_turn_back() -> None:
    with served("no_such_module") as box:
        for _ in range(3):
            with pytest.raises(DependencyError):
                box.call({}, b"", timeout_s=20)


def test_the_child_outlives_the_thread_that_started_it(box: Sandbox) -> None:
    pids: list[int] = []
    thread = threading.Thread(target=lambda: pids.append(pid_of(box)))
    thread.start()
    thread.join()
    time.sleep(0.1)
    assert pid_of(box) == pids[0]


@pytest.mark.parametrize("act", ["hang", "sleep"])
def test_the_child_dies_with_its_parent_in_the_middle_of_a_call(act: str, tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, str(HERE), act], env={"TMPDIR": str(tmp_path)}, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        time.sleep(0.2)
        assert is_running(child)
        parent.kill()
    assert comes_true(lambda: not is_running(child))


def test_closing_twice_is_harmless_and_a_closed_sandbox_starts_again(box: Sandbox) -> None:
    before = pid_of(box)
    box.close()
    box.close()
    assert not is_running(before)
    assert pid_of(box) != before
