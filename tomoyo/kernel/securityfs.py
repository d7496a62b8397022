"""The kernel's interface files, one method each.

Beware: the kernel reports success whatever a written line says; only reading
back tells (see ``activation``).  And a read prints the policy as it is while
it is printed: a change in between shows in one part and not in another.
Reading ``audit`` takes a record away from everyone else.

`Interface` is what these files and a simulated kernel have in common, so that
whatever works on the one works on the other.
"""

from __future__ import annotations

import errno
import os
import time

from ..model.errors import TomoyoError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Protocol

    class Interface(Protocol):
        """A kernel's policy: a real one's files, or a simulated one."""

        def read(self, name: str) -> str:
            """All that the file NAME holds."""

        def write(self, name: str, data: str | bytes) -> None:
            """Write DATA, whole lines, through one opening of the file NAME."""

        def select(self, name: str, command: str) -> str:
            """Write COMMAND and read what the same opening of the file NAME then gives."""

        def select_all(self, name: str, commands: Iterable[str]) -> list[str]:
            """The answer to each of COMMANDS, all through one opening of the file NAME."""

        def settle(self) -> None:
            """Wait until what was deleted is collected."""

        def process_domains(self) -> dict[int, str]:
            """The domain of each process, by its number."""

        def own_names(self) -> list[str]:
            """The caller's program and domain, as the manager list would name them."""

        @property
        def active(self) -> bool | None:
            """Whether policy is in force; None where that cannot be known."""


__all__ = ["Interface", "Securityfs", "SecurityfsError"]


#: Where securityfs shows TOMOYO.
FOLDER = "/sys/kernel/security/tomoyo"
#: Bytes of one read: what comes at once need not be put together, and memory that is not filled costs nothing.
READ_PIECE = 1 << 22
#: The same for what is short, a record or the answer to a command.
ANSWER_PIECE = 1 << 16
#: Bytes of one write: a kernel takes longer over all if it is given more at once, as it goes through it byte by byte with the
#: policy in between.
WRITE_PIECE = 1 << 17
#: How long to wait for the kernel's collector, in seconds.
PATIENCE = 30.0

_COLLECTOR = "GC for TOMOYO\n"
#: Where a process's ``stat`` has its flags behind its name, and the flag of the kernel's threads (linux/sched.h).
_FLAGS = 6
_PF_KTHREAD = 0x00200000


#: Why root has no access to a file, and what to do.
FORBIDDEN = "root has no access to this file; look for a container or another security module that forbids it"


class SecurityfsError(TomoyoError, OSError):
    """The kernel refused, or its interface is not there; the message says what to do."""

    def __init__(self, number: int, path: str, advice: str) -> None:
        super().__init__(number, advice, path)
        self.advice = advice

    def __str__(self) -> str:
        return f"{self.filename}: {self.advice}"


class Securityfs:
    """The interface files below a folder.

    Arguments:
        root: the folder, where securityfs is mounted elsewhere or a test stands in.
        proc: where procfs is mounted; it tells why something is not there.
    """

    def __init__(self, root: str | os.PathLike[str] = FOLDER, proc: str | os.PathLike[str] = "/proc") -> None:
        self.root: str = os.fspath(root)
        self.proc: str = os.fspath(proc)

    def __repr__(self) -> str:
        return f"<Securityfs {self.root}>"

    # Any file

    def read(self, name: str) -> str:
        """All that the file NAME holds: a short read is not the end, an empty one is."""
        descriptor = self._open(name, os.O_RDONLY)
        try:
            return _read_all(descriptor, READ_PIECE)
        except OSError as error:
            raise self._explained(error, name) from None
        finally:
            os.close(descriptor)

    def write(self, name: str, data: str | bytes) -> None:
        """Write DATA through one opening of the file NAME, in few large pieces that end with a line.

        The kernel drops a last line that has no newline.
        """
        descriptor = self._open(name, os.O_WRONLY)
        try:
            write_lines(descriptor, data.encode("latin-1") if isinstance(data, str) else data)
        except OSError as error:
            raise self._explained(error, name) from None
        finally:
            os.close(descriptor)

    def select(self, name: str, command: str) -> str:
        """Write COMMAND, such as ``select domain=<kernel>``, to the file NAME, and read what the same opening then gives."""
        return self.select_all(name, [command])[0]

    def select_all(self, name: str, commands: Iterable[str]) -> list[str]:
        """The answer to each of COMMANDS, all through one opening of the file NAME."""
        descriptor = self._open(name, os.O_RDWR)
        try:
            answers = []
            for command in commands:
                write_lines(descriptor, f"{command}\n".encode("latin-1"))
                answers.append(_read_all(descriptor, ANSWER_PIECE))
            return answers
        except OSError as error:
            raise self._explained(error, name) from None
        finally:
            os.close(descriptor)

    # One method a file

    def domain_policy(self) -> str:
        """Every domain: name, profile, flags, groups, entries."""
        return self.read("domain_policy")

    def write_domain_policy(self, lines: str) -> None:
        """Write lines of domain policy; each applies to the domain named last before it."""
        self.write("domain_policy", lines)

    def exception_policy(self) -> str:
        """Transition control, aggregators, groups and shared entries."""
        return self.read("exception_policy")

    def write_exception_policy(self, lines: str) -> None:
        """Write lines of exception policy."""
        self.write("exception_policy", lines)

    def profile(self) -> str:
        """The profiles."""
        return self.read("profile")

    def write_profile(self, lines: str) -> None:
        """Write lines of profiles."""
        self.write("profile", lines)

    def manager(self) -> str:
        """The programs and domains that may change policy."""
        return self.read("manager")

    def write_manager(self, lines: str) -> None:
        """Write lines of the manager list."""
        self.write("manager", lines)

    def stat(self) -> str:
        """Counters, memory in use and quotas."""
        return self.read("stat")

    def write_stat(self, lines: str) -> None:
        """Write memory quotas: LINES such as ``Memory used by policy: 1048576``, in bytes."""
        self.write("stat", lines)

    def audit(self) -> str:
        """The next audit record, NUL-ended; empty if there is none.  It is gone afterwards."""
        descriptor = self._open("audit", os.O_RDONLY)
        try:
            return _read_record(descriptor)
        finally:
            os.close(descriptor)

    def query(self) -> str:
        """The pending requests, each NUL-ended."""
        return self.read("query")

    def answer(self, serial: int, answer: int) -> None:
        """Answer request SERIAL with ANSWER: 1 grants, 2 denies, 3 asks again."""
        self.write("query", f"A{serial}={answer}\n")

    def self_domain(self) -> str:
        """The domain of the calling process."""
        return self.read("self_domain")

    def enter_domain(self, name: str) -> None:
        """Move the calling process to the domain NAME; its own domain must permit that.

        Raises SecurityfsError where it does not, or where the kernel refuses.
        """
        descriptor = self._open("self_domain", os.O_WRONLY)
        try:
            os.write(descriptor, name.encode("latin-1"))
        except PermissionError:
            own = printable_domain(self.self_domain())
            advice = f"the domain {own} has no 'task manual_domain_transition {name}', so this process stays in it"
            raise SecurityfsError(errno.EPERM, self._path("self_domain"), advice) from None
        except OSError as error:
            raise self._explained(error, "self_domain") from None
        finally:
            os.close(descriptor)

    def version(self) -> str:
        """The version of the kernel's TOMOYO, such as ``2.6.0``."""
        return self.read("version").strip()

    def process_status(self, pids: Iterable[int] | None = None) -> dict[int, tuple[int, str]]:
        """The profile and the domain of processes, by number; those that have ended are left out.

        PIDS are those that the caller's /proc shows, all of them by default.
        """
        numbers = processes(self.proc) if pids is None else pids
        found: dict[int, tuple[int, str]] = {}
        for answer in self.select_all(".process_status", (f"{pid}" for pid in numbers)):
            fields = answer.rstrip("\n").split(" ", 2)
            if len(fields) == 3 and fields[0].isdigit() and fields[1].isdigit():
                found[int(fields[0])] = (int(fields[1]), fields[2])
        return found

    def process_domains(self) -> dict[int, str]:
        """The domain of each process, by its number."""
        return {pid: domain for pid, (_, domain) in self.process_status().items()}

    def own_names(self) -> list[str]:
        """The caller's program and domain, as the manager list would name them."""
        return [_own_program(self.proc), self.self_domain()]

    # What the kernel is like

    @property
    def is_kernel(self) -> bool:
        """Whether these are a kernel's files, which have no size, rather than copies of them."""
        path = self._path("version")
        return bool(_text(path)) and os.stat(path).st_size == 0

    @property
    def active(self) -> bool | None:
        """Whether policy is in force, by trying (see ``activity``); None where that cannot be known.

        Raises SecurityfsError where the caller may not read the files.
        """
        from .activity import is_active

        profile = self.read("profile")
        if not self.is_kernel:  # so not to be written to
            return None if "-CONFIG=" in profile else False
        descriptor = self._open("domain_policy", os.O_RDWR)
        try:
            return is_active(descriptor, profile, self.stat)
        finally:
            os.close(descriptor)

    def settle(self) -> None:
        """Wait until the kernel has collected what was deleted, which it does in the background.

        Gives up after `PATIENCE` seconds: a reader that holds a file open can
        put it off.
        """
        deadline = time.monotonic() + PATIENCE
        self._wait_for_collector(deadline)
        # One that is started while another runs ends at once, and the other may have passed by what was deleted since.
        # Closing a file that was open for writing starts one.
        os.close(self._open("stat", os.O_WRONLY))
        self._wait_for_collector(deadline)

    def _wait_for_collector(self, deadline: float) -> None:
        while time.monotonic() < deadline and any(_is_collector(self.proc, pid) for pid in processes(self.proc)):
            time.sleep(0.001)

    def _path(self, name: str) -> str:
        return os.path.join(self.root, name)

    def _open(self, name: str, flags: int) -> int:
        try:
            return os.open(self._path(name), flags | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError as error:
            raise self._explained(error, name) from None

    def _explained(self, error: OSError, name: str) -> OSError:
        """ERROR with what to do about it."""
        if isinstance(error, SecurityfsError):
            return error
        number = error.errno or errno.EIO
        advice = self._advice(number)
        return SecurityfsError(number, self._path(name), advice or os.strerror(number))

    def _advice(self, number: int) -> str:
        if number in (errno.ENOENT, errno.ENOTDIR):
            return self.why_missing()
        if number in (errno.EACCES, errno.EPERM) and os.geteuid() != 0:
            return "only root may do this; use sudo"
        if number == errno.EACCES:
            return FORBIDDEN
        if number == errno.EPERM:
            return manager_advice(_text(self._path("self_domain")), _own_program(self.proc))
        if number == errno.ELOOP:
            return "a symbolic link, which no interface file is"
        return ""

    def why_missing(self) -> str:
        """Why the folder, or a file in it, is not there, and what to do."""
        if os.path.lexists(self._path("version")):
            return "this kernel's TOMOYO has no such file"
        above = os.path.dirname(os.path.normpath(self.root))
        usual = os.path.normpath(self.root).endswith("/security/tomoyo")
        modules = _text(os.path.join(above, "lsm")).strip()
        if "tomoyo" in modules.split(","):
            return "TOMOYO is on, but its files are not here; is securityfs mounted at another place?"
        if modules:
            return f"TOMOYO is not in the kernel's LSM list ({modules}); boot with tomoyo in lsm="
        if not usual:
            return f"these are no interface files of TOMOYO; a kernel has them in {FOLDER}"
        if not os.path.isdir(above) or not os.listdir(above):
            return f"securityfs is not mounted: 'mount -t securityfs securityfs {above}'"
        return "this kernel has no TOMOYO; it needs CONFIG_SECURITY_TOMOYO=y and tomoyo in lsm="


def manager_advice(domain: str, program: str) -> str:
    """What to do where a process in DOMAIN that runs PROGRAM is no manager.

    The kernel compares both with the manager policy.  To list the program would not do for a script: its program is the
    interpreter, which runs all scripts.
    """
    return (
        f"this process is no manager: its domain, '{printable_domain(domain)}', is not in the manager policy. List a domain of "
        "its own there, such as '<kernel> /usr/bin/tomoyo', which 'initialize_domain /usr/bin/tomoyo from any' gives it; not "
        f"{printable_domain(program)}, if that is an interpreter: all that it runs could change policy then"
    )


def write_lines(descriptor: int, data: bytes) -> None:
    """Write all of DATA in pieces of at most `WRITE_PIECE` bytes that end with a line, where lines are not longer."""
    position = 0
    view = memoryview(data)
    while position < len(data):
        end = len(data)
        if end - position > WRITE_PIECE:
            # Best before a domain's name: killed between two pieces, we leave no domain without its profile.
            end = data.rfind(b"\n<", position, position + WRITE_PIECE) + 1
            end = end or data.rfind(b"\n", position, position + WRITE_PIECE) + 1 or position + WRITE_PIECE
        while position < end:
            position += os.write(descriptor, view[position:end])


def _read_all(descriptor: int, size: int) -> str:
    pieces: list[bytes] = []
    while piece := os.read(descriptor, size):
        pieces.append(piece)
    return b"".join(pieces).decode("latin-1")


def _read_record(descriptor: int) -> str:
    pieces: list[bytes] = []
    while True:
        piece = os.read(descriptor, ANSWER_PIECE)
        pieces.append(piece)
        if not piece or piece.endswith(b"\0"):
            return b"".join(pieces).decode("latin-1")


def processes(proc: str) -> list[int]:
    """The numbers of all processes that the folder PROC shows, ascending."""
    return sorted(int(name) for name in os.listdir(proc) if name.isdigit() and name.isascii())


def printable_domain(text: str) -> str:
    """TEXT, which a stranger may have named, with control characters escaped."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def process_stat(proc: str, pid: int) -> tuple[bytes, list[bytes]] | None:
    """The name of process PID and the fields behind it in its ``stat``: state, parent, and so on; None if it has ended.

    A program may give itself any name, one that looks like more fields included.
    """
    try:
        with open(f"{proc}/{pid}/stat", "rb") as file:
            head, _, rest = file.read().rpartition(b")")
    except OSError:
        return None
    return head.partition(b"(")[2], rest.split()


def is_kernel_thread(fields: list[bytes]) -> bool:
    """Whether FIELDS (see `process_stat`) are of a thread of the kernel, which no program can pretend to be."""
    return len(fields) > _FLAGS and fields[_FLAGS].isdigit() and bool(int(fields[_FLAGS]) & _PF_KTHREAD)


def _is_collector(proc: str, pid: int) -> bool:
    if _text(f"{proc}/{pid}/comm") != _COLLECTOR:  # which is quicker to read
        return False
    found = process_stat(proc, pid)
    return found is not None and is_kernel_thread(found[1])


def _own_program(proc: str) -> str:
    try:
        return os.readlink(f"{proc}/self/exe")
    except OSError:
        return "the real path of this program"


def _text(path: str) -> str:
    try:
        with open(path, encoding="latin-1") as file:
            return file.read()
    except OSError:
        return ""
