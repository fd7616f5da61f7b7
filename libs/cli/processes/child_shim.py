"""Becomes another program that dies with its starter: `child_shim.py PARENT_PID SIGNAL UID GID PROGRAM [ARG...]`.

Runs as a script of its own, with the standard library alone, because what it does cannot be done safely between a
fork and an exec of a process that has threads.

Rules:
- The user is given up first: a change of user clears the parent-death signal (prctl(2)).
- The parent is checked after the signal is set: a parent that died before has no death left to be told of.
- UID -1 keeps the user.
"""

import ctypes
import os
import sys

_PR_SET_PDEATHSIG = 1


def become(parent_pid: int, death_signal: int, user: tuple[int, int], command: list[str]) -> None:
    """Replaces this process by `command`; returns never. `user` is (uid, gid).

    Raises OSError when the user or the program is refused, SystemExit when the parent is gone.
    """
    uid, gid = user
    if uid >= 0:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, death_signal, 0, 0, 0)
    if os.getppid() != parent_pid:
        sys.exit("the parent is gone")
    os.execv(command[0], command)  # noqa: S606  (the starter chose the program; there is no shell)


if __name__ == "__main__":
    become(int(sys.argv[1]), int(sys.argv[2]), (int(sys.argv[3]), int(sys.argv[4])), sys.argv[5:])
