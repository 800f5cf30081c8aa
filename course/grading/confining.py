"""Shutting a process in, for good, without being root: files by Landlock, the rest by seccomp.

Linux gives both to everybody: Landlock from 5.13 on, and a filter of system calls. Afterwards the
process reads Python, its packages and what it was given, writes beneath one folder, and starts no
process, opens no socket, signals nobody and changes no limit but its own.
"""

import ctypes
import os
import platform
import resource
import signal
import struct
from collections.abc import Iterable
from pathlib import Path

PR_SET_PDEATHSIG, PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS = 1, 22, 38
LANDLOCK = {"create": 444, "add": 445, "restrict": 446}
# Rights on files, in bits: execute, write, read, list; the making and removing of eight kinds of
# entries; then, with later versions of Landlock, move elsewhere, cut short, and control devices.
READ = 0b1101
KNOWN = {1: 13, 2: 14, 3: 15, 4: 15}  # number of rights by version; 16 from the fifth on
ON_FILES = 0b1100_0000_0000_0111  # those that a rule about one file may name
EPERM, ENOSYS = 1, 38

# Of each system call its number on x86_64 and on aarch64; None where there is none.
ARCHITECTURES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
REFUSED = {
    # processes
    "fork": (57, None),
    "vfork": (58, None),
    "execve": (59, 221),
    "execveat": (322, 281),
    # others, of the same user
    "kill": (62, 129),
    "tkill": (200, 130),
    "rt_sigqueueinfo": (129, 138),
    "rt_tgsigqueueinfo": (297, 240),
    "pidfd_send_signal": (424, 424),
    "pidfd_open": (434, 434),
    "pidfd_getfd": (438, 438),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "setpriority": (141, 140),
    "sched_setaffinity": (203, 122),
    "setrlimit": (160, 164),
    # the network, and ways around this filter
    "socket": (41, 198),
    "connect": (42, 203),
    "io_uring_setup": (425, 425),
    "unshare": (272, 97),
    "setns": (308, 268),
    "bpf": (321, 280),
    # what Landlock leaves open on files that may be read
    "truncate": (76, 45),
    "chmod": (90, None),
    "fchmod": (91, 52),
    "fchmodat": (268, 53),
    "fchmodat2": (452, 452),
    "chown": (92, None),
    "fchown": (93, 55),
    "lchown": (94, None),
    "fchownat": (260, 54),
    "setxattr": (188, 5),
    "lsetxattr": (189, 6),
    "fsetxattr": (190, 7),
    "removexattr": (197, 14),
    "lremovexattr": (198, 15),
    "fremovexattr": (199, 16),
    "utime": (132, None),
    "utimes": (235, None),
    "utimensat": (280, 88),
    # memory that no limit counts, or that stays
    "memfd_create": (319, 279),
    "shmget": (29, 194),
    "semget": (64, 190),
    "msgget": (68, 186),
}
CLONE, CLONE3, PRLIMIT, TGKILL = (56, 220), (435, 435), (302, 261), (234, 131)
PRCTL = (157, 167)
CLONE_THREAD = 0x10000


class CannotConfine(Exception):
    """Processes cannot be shut in here; the message says what is missing."""


def check() -> None:
    """Raise `CannotConfine` where `confine` could not keep its word."""
    if platform.system() != "Linux" or platform.machine() not in ARCHITECTURES:
        raise CannotConfine(f"this is {platform.system()} on {platform.machine()}")
    if _landlock_version() < 1:
        raise CannotConfine("this kernel has no Landlock (Linux 5.13 or later, switched on)")


def limit(memory: int, file: int, seconds: int) -> None:
    """Limit this process: bytes of address space and of each file, and seconds of computing."""
    for what, most in (
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_FSIZE, file),
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_NOFILE, 64),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(what, (most, most))


def die_with(parent: int) -> None:
    """Have this process killed when its parent of that id ends."""
    _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def confine(readable: Iterable[Path], writable: Iterable[Path]) -> None:
    """Shut this process in; paths that do not exist are passed over.

    Raises
    ------
    CannotConfine
        If the machine refuses, or there are threads, which would stay outside.
    """
    check()
    if len(os.listdir("/proc/self/task")) > 1:
        raise CannotConfine("this process has threads already")
    _prctl(PR_SET_NO_NEW_PRIVS, 1)
    _drop_capabilities()
    _landlock(readable, writable)
    _seccomp()


# ---------------------------------------------------------------- files


def _landlock(readable: Iterable[Path], writable: Iterable[Path]) -> None:
    every = (1 << KNOWN.get(_landlock_version(), 16)) - 1
    rules = _call(LANDLOCK["create"], struct.pack("Q", every), 8, 0)
    for rights, paths in ((READ, readable), (every, writable)):
        for path in filter(Path.exists, paths):
            place = os.open(path, os.O_PATH | os.O_CLOEXEC)
            allowed = rights & every & (-1 if path.is_dir() else ON_FILES)
            _call(LANDLOCK["add"], rules, 1, struct.pack("=Qi", allowed, place), 0)
            os.close(place)
    _call(LANDLOCK["restrict"], rules, 0)
    os.close(rules)


def _landlock_version() -> int:
    return _libc().syscall(LANDLOCK["create"], None, ctypes.c_size_t(0), 1)


# ---------------------------------------------------------------- the rest


def _drop_capabilities() -> None:
    """Give up what root may do beyond being the owner of root's files."""
    calls = {"x86_64": 126, "aarch64": 91}
    header = struct.pack("Ii", 0x20080522, 0)  # version 3, this thread
    _call(calls[platform.machine()], header, bytes(24))


def _seccomp() -> None:
    """Have some system calls fail as not permitted, and kill a process that feigns another kind."""
    column, audit = ARCHITECTURES[platform.machine()]
    jump, load, allow = 0x15, 0x20, _back(0x7FFF0000)
    refuse, unknown, kill = _back(0x50000 | EPERM), _back(0x50000 | ENOSYS), _back(0x80000000)
    number, machine = _step(load, 0), _step(load, 4)
    program = [machine, _step(jump, audit, 1, 0), kill, number]
    program += [_step(0x35, 0x40000000, 0, 1), refuse]  # x32's numbers begin there
    for numbers in REFUSED.values():
        if numbers[column] is not None:
            program += [_step(jump, numbers[column], 0, 1), refuse]
    # Threads but no processes; clone3 hides its flags, and the C library goes on with clone.
    program += [_step(jump, CLONE3[column], 0, 1), unknown]
    program += [_step(jump, CLONE[column], 0, 4), _argument(0)]
    program += [_step(0x45, CLONE_THREAD, 0, 1), allow, refuse]
    # Limits are read, not set; signals go to the process itself, which dies with its parent.
    program += [_step(jump, PRLIMIT[column], 0, 4), _argument(2)]
    program += [_step(jump, 0, 0, 1), allow, refuse]
    program += [_step(jump, TGKILL[column], 0, 4), _argument(0)]
    program += [_step(jump, os.getpid(), 0, 1), allow, refuse]
    program += [_step(jump, PRCTL[column], 0, 4), _argument(0)]
    program += [_step(jump, PR_SET_PDEATHSIG, 0, 1), refuse, allow]
    program += [allow]
    code = ctypes.create_string_buffer(b"".join(program))
    told = struct.pack("HxxxxxxP", len(program), ctypes.addressof(code))
    _prctl(PR_SET_SECCOMP, 2, ctypes.c_char_p(told))


def _step(code: int, value: int, if_so: int = 0, if_not: int = 0) -> bytes:
    """Return one step of a filter: what to do, with which value, and how many steps to skip."""
    return struct.pack("HBBI", code, if_so, if_not, value)


def _argument(place: int) -> bytes:
    return _step(0x20, 16 + 8 * place)  # its lower half, on these machines


def _back(value: int) -> bytes:
    return _step(0x06, value)


# ---------------------------------------------------------------- the C library


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _call(number: int, *arguments: int | bytes) -> int:
    """Make a system call and return its result, or raise `CannotConfine`."""
    given = [ctypes.c_long(a) if isinstance(a, int) else ctypes.c_char_p(a) for a in arguments]
    result = _libc().syscall(ctypes.c_long(number), *given)
    if result < 0:
        raise CannotConfine(f"system call {number}: {os.strerror(ctypes.get_errno())}")
    return result


def _prctl(what: int, *arguments: int | ctypes.c_char_p) -> None:
    given = [ctypes.c_ulong(a) if isinstance(a, int) else a for a in arguments]
    given += [ctypes.c_ulong(0)] * (4 - len(given))
    if _libc().prctl(what, *given):
        raise CannotConfine(f"prctl {what}: {os.strerror(ctypes.get_errno())}")
