"""Start one program that ends when its starter ends, whatever ends the starter.

Run as a script, with nothing but the standard library, by the path of this file::

    python -I -S leash.py SIGNAL PARENT MODE IDENTITY PROGRAM ARGUMENT...

SIGNAL reaches the program when process PARENT is gone. MODE ``exec`` has the kernel
do that and then becomes the program; it fires when the *thread* that started us ends.
MODE ``watch`` stays and looks, for other threads and for systems without such a signal.

IDENTITY is ``same``, or ``namespace``: in a user namespace of its own, where root is
seen as 65534 (PostgreSQL refuses to run as root), or a number: that user and group.
"""

import ctypes
import os
import signal
import sys
import time

NOBODY = 65534
PR_SET_PDEATHSIG = 1
CLONE_NEWUSER = 0x10000000
LOOK_SECONDS = 0.2


def take_identity(identity: str) -> None:
    """Become who the program shall be."""
    if identity == "namespace":
        enter_namespace()
    elif identity != "same":
        number = int(identity)
        os.setgroups([])
        os.setgid(number)
        os.setuid(number)


def enter_namespace() -> None:
    """Show our own user and group as 65534; files we make still belong to us outside."""
    user, group = os.getuid(), os.getgid()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWUSER) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), "user namespace")
    for name, text in (
        ("setgroups", "deny"),
        ("uid_map", f"{NOBODY} {user} 1"),
        ("gid_map", f"{NOBODY} {group} 1"),
    ):
        with open(f"/proc/self/{name}", "w") as file:  # noqa: PTH123
            file.write(text)


def hold(number: int, parent: int) -> None:
    """Ask the kernel for the signal, after every change of identity: those clear it."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, number, 0, 0, 0)
        if os.getppid() != parent:  # It ended before we asked.
            sys.exit(0)


def watch(program: list[str], *, number: int, parent: int) -> int:
    """Run the program as a child, and pass it the signal once our parent has changed."""
    own = os.getpid()
    child = os.fork()
    if child == 0:
        hold(number, own)
        os.execv(program[0], program)  # noqa: S606
    for forwarded in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
        signal.signal(forwarded, lambda caught, _frame: os.kill(child, caught))
    told = False
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code
        if not told and os.getppid() != parent:
            os.kill(child, number)
            told = True
        time.sleep(LOOK_SECONDS)


def main(arguments: list[str]) -> int:
    """Take the identity, then become or watch the program."""
    number, parent, mode, identity = int(arguments[0]), int(arguments[1]), *arguments[2:4]
    program = arguments[4:]
    try:
        take_identity(identity)
        if mode == "watch":
            return watch(program, number=number, parent=parent)
        hold(number, parent)
        os.execv(program[0], program)  # noqa: S606
    except OSError as error:
        sys.stderr.write(f"{program[0]}: {error.strerror}\n")
        return 126


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
