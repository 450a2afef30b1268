"""System calls that a child in `indexer.confine` has no use for, refused by the kernel: a seccomp filter.

It stands where Landlock does not reach: sockets with a path, attributes of files, and what outlives the process.
"""

import ctypes
import errno
import os
import struct
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

_LOAD, _JUMP_IF_EQUAL, _JUMP_IF_AT_LEAST, _JUMP_IF_ANY, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06  # linux/bpf_common.h
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT = 0, 4, 16  # where they lie in struct seccomp_data
_CLONE_THREAD = 0x0001_0000  # linux/sched.h
_KILL, _FAIL, _ALLOW = 0x8000_0000, 0x0005_0000, 0x7FFF_0000  # linux/seccomp.h
_FILTER, _ALL_THREADS = 1, 1  # linux/seccomp.h
_PR_SET_NO_NEW_PRIVS = 38  # linux/prctl.h

_FIRST_NEWER = 463
"""Of Linux 6.13, with setxattrat. From here on nothing exists: neither that, nor what is still to be invented, nor the
calls of the x32 ABI, whose numbers begin at 512 and, with its bit, at 2**30."""
_CLONE3 = 435  # the same everywhere, like all younger than 423

# By name, the numbers of x86-64 (asm/unistd_64.h) and of aarch64 (asm-generic/unistd.h), None where there is none.
_REFUSED: Mapping[str, tuple[int | None, int | None]] = MappingProxyType(
    {
        # sockets: nothing is said but to the parent, through a pipe
        "socket": (41, 198),
        "socketpair": (53, 199),
        "connect": (42, 203),
        "bind": (49, 200),
        "listen": (50, 201),
        "accept": (43, 202),
        "accept4": (288, 242),
        "sendto": (44, 206),
        "sendmsg": (46, 211),
        "sendmmsg": (307, 269),
        # what a file carries beside its content; ioctl sets its flags and version
        "setxattr": (188, 5),
        "lsetxattr": (189, 6),
        "fsetxattr": (190, 7),
        "removexattr": (197, 14),
        "lremovexattr": (198, 15),
        "fremovexattr": (199, 16),
        "chmod": (90, None),
        "fchmod": (91, 52),
        "fchmodat": (268, 53),
        "fchmodat2": (452, 452),
        "chown": (92, None),
        "fchown": (93, 55),
        "lchown": (94, None),
        "fchownat": (260, 54),
        "utime": (132, None),
        "utimes": (235, None),
        "futimesat": (261, None),
        "utimensat": (280, 88),
        "ioctl": (16, 29),
        # what outlives the process: messages, shared memory, keys
        "shmget": (29, 194),
        "msgget": (68, 186),
        "semget": (64, 190),
        "mq_open": (240, 180),
        "add_key": (248, 217),
        "request_key": (249, 218),
        "keyctl": (250, 219),
        # other programs and processes; of clone and clone3 see `program`
        "fork": (57, None),
        "vfork": (58, None),
        "execve": (59, 221),
        "execveat": (322, 281),
        "ptrace": (101, 117),
        "process_vm_readv": (310, 270),
        "process_vm_writev": (311, 271),
        "pidfd_getfd": (438, 438),
        # the kernel, whose doors these are to more than this process needs
        "io_uring_setup": (425, 425),
        "unshare": (272, 97),
        "setns": (308, 268),
        "mount": (165, 40),
        "umount2": (166, 39),
        "pivot_root": (155, 41),
        "chroot": (161, 51),
        "open_tree": (428, 428),
        "move_mount": (429, 429),
        "fsopen": (430, 430),
        "fsconfig": (431, 431),
        "fsmount": (432, 432),
        "fspick": (433, 433),
        "mount_setattr": (442, 442),
        "bpf": (321, 280),
        "perf_event_open": (298, 241),
        "userfaultfd": (323, 282),
    }
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Machine:
    """What a processor's calls are known by: its word of linux/audit.h, some calls, and the numbers to be refused."""

    architecture: int
    seccomp: int
    clone: int
    refused: frozenset[int]


_X86_64, _AARCH64 = zip(*_REFUSED.values(), strict=True)
MACHINES: Mapping[str, Machine] = MappingProxyType(
    {
        "x86_64": Machine(
            architecture=0xC000_003E,
            seccomp=317,
            clone=56,
            refused=frozenset(number for number in _X86_64 if number is not None),
        ),
        "aarch64": Machine(
            architecture=0xC000_00B7,
            seccomp=277,
            clone=220,
            refused=frozenset(number for number in _AARCH64 if number is not None),
        ),
    }
)
"""By what `uname` calls it."""


def refuse() -> bool:
    """Have the kernel refuse those calls to every thread of this process, for good; whether it does.

    It does not on another machine than those of MACHINES, nor where it has no seccomp or grants none.
    """
    machine = MACHINES.get(os.uname().machine) if sys.platform == "linux" and sys.maxsize > 2**32 else None
    return machine is not None and install(machine)


def install(machine: Machine) -> bool:
    """Put the filter of `machine`, which this must be, in force for this process; whether the kernel took it."""
    libc = ctypes.CDLL(None)
    code = program(machine)
    buffer = ctypes.create_string_buffer(code, len(code))
    pointer = struct.pack("@HP", len(code) // _INSTRUCTION.size, ctypes.addressof(buffer))
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    return bool(libc.syscall(machine.seccomp, _FILTER, _ALL_THREADS, pointer) == 0)


_INSTRUCTION = struct.Struct("=HBBI")  # code, jump if true, jump if false, operand


def program(machine: Machine) -> bytes:
    """The filter for the BPF machine: kill for calls of another architecture, which have other numbers.

    clone may start a thread, which libraries do, and no process. What clone3 is to start a filter cannot see: for the C
    library it does not exist, which then calls clone.
    """
    refused = sorted(machine.refused)
    instructions = [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_JUMP_IF_EQUAL, 1, 0, machine.architecture),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NUMBER),
        (_JUMP_IF_AT_LEAST, len(refused) + 5, 0, _FIRST_NEWER),
        *((_JUMP_IF_EQUAL, len(refused) - place + 5, 0, number) for place, number in enumerate(refused)),
        (_JUMP_IF_EQUAL, 4, 0, _CLONE3),
        (_JUMP_IF_EQUAL, 0, 2, machine.clone),
        (_LOAD, 0, 0, _FIRST_ARGUMENT),
        (_JUMP_IF_ANY, 0, 2, _CLONE_THREAD),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _FAIL | errno.ENOSYS),
        (_RETURN, 0, 0, _FAIL | errno.EPERM),
    ]
    return b"".join(_INSTRUCTION.pack(*instruction) for instruction in instructions)
