"""Runs a program as containers do: ``confined.py PROGRAM ...``, behind a filter of system calls like docker's.

Of programs without capabilities docker's filter refuses (EPERM) what makes namespaces and mounts, and does not know
clone3 (ENOSYS).
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
import sys

#: Numbers of system calls. Linux: ``asm/unistd.h``.
NUMBERS = {
    "x86_64": {"mount": 165, "umount2": 166, "pivot_root": 155, "unshare": 272, "setns": 308, "clone3": 435},
    "aarch64": {"mount": 40, "umount2": 39, "pivot_root": 41, "unshare": 97, "setns": 268, "clone3": 435},
}
#: The mount API of Linux 5.2 has the same numbers everywhere.
NEWER = {"open_tree": 428, "move_mount": 429, "fsopen": 430, "fsmount": 432, "mount_setattr": 442}

_PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS, _SECCOMP_MODE_FILTER = 22, 38, 2
_LOAD_WORD, _JUMP_EQUAL, _RETURN = 0x20, 0x15, 0x06
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000


class _Program(ctypes.Structure):
    _fields_ = (("len", ctypes.c_ushort), ("filter", ctypes.c_void_p))


def confine() -> None:
    """Put the filter before this process and all that it starts, for good."""
    code = [(_LOAD_WORD, 0, 0, 0)]  # the number of the system call is the first word
    for name, number in {**NUMBERS[platform.machine()], **NEWER}.items():
        answer = errno.ENOSYS if name == "clone3" else errno.EPERM
        code += [(_JUMP_EQUAL, 0, 1, number), (_RETURN, 0, 0, _ERRNO | answer)]
    code.append((_RETURN, 0, 0, _ALLOW))
    text = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line) for line in code))
    program = _Program(len(code), ctypes.addressof(text))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or libc.prctl(
        _PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(program), 0, 0
    ):
        raise OSError(ctypes.get_errno(), "no filter")


if __name__ == "__main__":
    confine()
    os.execvp(sys.argv[1], sys.argv[1:])
