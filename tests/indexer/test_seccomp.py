"""The filter's verdict on each call, as the kernel's machine reads it, and that threads are bound which run already."""

import errno
import os
import struct
import subprocess
import sys

import pytest

from indexer.seccomp import MACHINES, program

ALLOW, KILL = 0x7FFF_0000, 0x8000_0000
EPERM, ENOSYS = 0x5_0000 | errno.EPERM, 0x5_0000 | errno.ENOSYS
I386, ARM = 0x4000_0003, 0x4000_0028
X32 = 2**30
CLONE3 = 435

THREADS = """
import ctypes, threading
from indexer import seccomp
libc = ctypes.CDLL(None, use_errno=True)
go, errors = threading.Event(), []
def attempt():
    go.wait()
    libc.socket(1, 1, 0)
    errors.append(ctypes.get_errno())
thread = threading.Thread(target=attempt)
thread.start()
print(seccomp.refuse())
go.set()
thread.join()
print(*errors)
"""


def verdict(code: bytes, architecture: int, number: int, argument: int = 0) -> int:
    """What the program answers to this call, by the rules of linux/bpf_common.h."""
    instructions = list(struct.iter_unpack("=HBBI", code))
    call = {0: number, 4: architecture, 16: argument}
    place = accumulator = 0
    while True:
        operation, yes, no, operand = instructions[place]
        place += 1
        match operation:
            case 0x20:
                accumulator = call[operand]
            case 0x15:
                place += yes if accumulator == operand else no
            case 0x35:
                place += yes if accumulator >= operand else no
            case 0x45:
                place += yes if accumulator & operand else no
            case 0x06:
                return int(operand)
            case _:
                pytest.fail("an operation that the filter has no use for")


@pytest.mark.parametrize("name", sorted(MACHINES))
def test_what_is_refused_is_refused_and_nothing_else(name: str) -> None:
    machine = MACHINES[name]
    code = program(machine)
    verdicts = {number: verdict(code, machine.architecture, number) for number in range(463)}
    assert {number for number, answer in verdicts.items() if answer == EPERM} == machine.refused | {machine.clone}
    assert {number for number, answer in verdicts.items() if answer == ENOSYS} == {CLONE3}
    assert set(verdicts.values()) == {EPERM, ENOSYS, ALLOW}


@pytest.mark.parametrize("name", sorted(MACHINES))
def test_a_thread_may_be_started_and_no_process(name: str) -> None:
    machine = MACHINES[name]
    code = program(machine)
    thread = 0x3D0F00  # as glibc starts one
    assert verdict(code, machine.architecture, machine.clone, thread) == ALLOW
    for process in (17, 0x1200011, 0x4111, thread & ~0x10000):  # SIGCHLD, fork, vfork, a thread but for its group
        assert verdict(code, machine.architecture, machine.clone, process) == EPERM


@pytest.mark.parametrize(
    ("name", "numbers"),
    [
        # socket, socketpair, connect, bind, sendto, sendmsg, setxattr, chmod, fchown, utimensat, ioctl, ptrace, shmget
        ("x86_64", {41, 53, 42, 49, 44, 46, 188, 90, 93, 280, 16, 101, 29, 425, 310, 311, 272, 308, 321, 298, 452}),
        ("aarch64", {198, 199, 203, 200, 206, 211, 5, 52, 55, 88, 29, 117, 194, 425, 270, 271, 97, 268, 280, 241, 452}),
    ],
)
def test_the_numbers_are_those_of_the_machine(name: str, numbers: set[int]) -> None:
    assert numbers <= MACHINES[name].refused


@pytest.mark.parametrize("name", sorted(MACHINES))
@pytest.mark.parametrize("number", [463, 466, 469, 512, X32, X32 | 41, X32 | 519, 2**32 - 1])
def test_calls_newer_than_the_filter_and_those_of_another_abi_do_not_exist(name: str, number: int) -> None:
    assert verdict(program(MACHINES[name]), MACHINES[name].architecture, number) == ENOSYS


@pytest.mark.parametrize("name", sorted(MACHINES))
def test_a_call_of_another_architecture_ends_the_process(name: str) -> None:
    others = {I386, ARM, 0, *(machine.architecture for machine in MACHINES.values())}
    for other in others - {MACHINES[name].architecture}:
        for number in (0, 1, 41, X32):
            assert verdict(program(MACHINES[name]), other, number) == KILL


@pytest.mark.skipif(os.uname().machine not in MACHINES, reason="this machine has no filter")
def test_a_thread_that_runs_already_is_bound() -> None:
    done = subprocess.run([sys.executable, "-c", THREADS], capture_output=True, text=True, check=True)
    if done.stdout.startswith("False"):
        pytest.skip("this kernel grants no filter")
    assert done.stdout.split() == ["True", str(errno.EPERM)]
