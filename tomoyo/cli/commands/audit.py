"""Record what the kernel logs, or what is in log files.

Without FILE this is a daemon: it takes each record from the kernel as it
comes, until SIGTERM or SIGINT ends it (SIGHUP opens the log anew), and says
what the kernel had to drop.  A record that it has taken is gone from the
kernel, so run one of them.  With FILE it reads logs, also those of
tomoyo-auditd, however long.

Domains, programs and paths may be patterns as in policy, such as '/etc/\\*'.
An option given several times chooses what any of its values does.

Example:

  tomoyo audit --granted no audit.log
"""

from __future__ import annotations

import argparse
import gc
import re
import sys
from collections.abc import Callable, Iterator

from ...model.words import quoted
from ..kernel_options import refused
from ..logs import check_log, refuse_policy, shown, skipped
from ..messages import counted
from ..options import UsageError, add_json_lines, message, mode_word, refuse_binary, system_error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ...analysis.record_filter import RecordFilter
    from ...audit.recorder import Recorder, Sink

_CHUNK = 1 << 20
_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("files", nargs="*", metavar="FILE", help="logs to read; - is standard input (default: the kernel)")
    parser.add_argument("--output", metavar="LOG", help="append to this file (default: standard output)")
    parser.add_argument("--max-size", default="10M", type=size, help="begin a new file at this size (default: 10M; 0: never)")
    parser.add_argument("--keep", default=5, type=count, metavar="N", help="keep N old files, LOG.1 and so on (default: 5)")
    add_json_lines(parser)
    parser.add_argument("--once", action="store_true", help="take what waits in the kernel now, and end")
    parser.add_argument("--interface", metavar="DIR", help="the kernel's interface files, if not at the usual place")
    add_filter(parser)


def add_filter(parser: argparse.ArgumentParser) -> None:
    """Let PARSER take what chooses records."""
    group = parser.add_argument_group("which records")
    group.add_argument("--domain", action="append", default=[], help="a domain's whole name")
    group.add_argument("--program", action="append", default=[], help="the last program of a domain")
    group.add_argument(
        "--operation",
        action="append",
        default=[],
        help="such as read, connect, file or network",
    )
    group.add_argument("--path", action="append", default=[], help="a file or unix socket that the request names")
    group.add_argument(
        "--mode", action="append", default=[], type=mode_word, choices=("learning", "permissive", "enforcing", "disabled")
    )
    group.add_argument("--profile", action="append", default=[], type=int, help="the profile's number, 0 to 255")
    group.add_argument("--granted", choices=("yes", "no"), help="the verdict")


def filter_of(arguments: argparse.Namespace) -> RecordFilter | None:
    """What ARGUMENTS choose; None where that is everything."""
    from ...analysis.record_filter import RecordFilter

    try:
        found = RecordFilter(
            domains=tuple(arguments.domain),
            programs=tuple(arguments.program),
            operations=tuple(arguments.operation),
            paths=tuple(map(_asked, arguments.path)),
            modes=tuple(arguments.mode),
            profiles=tuple(arguments.profile),
            granted=None if arguments.granted is None else arguments.granted == "yes",
        )
    except ValueError as error:
        raise UsageError(str(error)) from None
    for text in (*arguments.domain, *arguments.program, *arguments.path):
        if re.search(r"(?<!\\)\*", text):
            message("warning", f"{text}: a '*' stands for itself; a pattern has '\\*'", code="literal-star")
    return None if found == RecordFilter() else found


def _asked(path: str) -> str:
    """PATH, or for a file in a special filesystem the name that records have, which is told."""
    from ...model.filesystems import misnamed

    found = misnamed(path)
    if found is None or not found.never:
        return path
    if not found.asked:
        raise UsageError(f"{path}: {found.reason}")
    message("note", f"the kernel calls this file {found.asked}: records of that name are chosen", code="file-name")
    return found.asked


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    from ...audit.log_file import LogFile
    from ...audit.recorder import Recorder

    gc.enable()  # it may run for months
    chooses = filter_of(arguments)
    sink: Sink = Standard()
    if arguments.output is not None:
        try:
            sink = LogFile(arguments.output, limit=arguments.max_size or None, keep=arguments.keep)
        except OSError as error:
            return system_error("audit", error)
    form = json_form() if arguments.json else as_text
    recorder = Recorder(sink, chooses, form, lambda told: message("warning", told, code="audit-log"))
    try:
        return _record(arguments, recorder)
    except OSError as error:
        if error.filename is None and arguments.output is not None:
            error.filename = arguments.output  # which alone is written to
        raise


def _record(arguments: argparse.Namespace, recorder: Recorder) -> int:
    from ...audit.log_file import LogFile
    from ...audit.recorder import record_chunks

    try:
        if not arguments.files:
            return _from_kernel(arguments, recorder)
        for name in arguments.files:
            read, broken = recorder.read, recorder.broken
            refuse_policy(name)
            record_chunks(checked(shown(name), chunks(name)), recorder)
            broken = recorder.broken - broken
            check_log(shown(name), recorder.read - read - broken, broken)
    finally:
        if isinstance(recorder.sink, LogFile):
            recorder.sink.close()
    if recorder.broken:
        message("note", skipped(recorder.broken), code="broken-record")
    return 0


def _from_kernel(arguments: argparse.Namespace, recorder: Recorder) -> int:
    import signal

    from ...audit.kernel_log import AuditLog, DropCounter
    from ...audit.recorder import record_kernel, record_waiting
    from ...kernel.securityfs import FOLDER
    from ...kernel.signals import ENDING, SignalPipe

    folder = arguments.interface or FOLDER
    try:
        with SignalPipe((*ENDING, signal.SIGHUP)) as signals, AuditLog(folder) as log:
            if arguments.once:
                record_waiting(log, recorder)
                return 0
            written = record_waiting(log, recorder, signals)
            lost = record_kernel(log, recorder, signals, DropCounter(folder)) if written else len(recorder.sink.waiting)
    except BrokenPipeError:
        raise
    except OSError as error:
        if error.filename is None:
            error.filename = arguments.output or "standard output"
        return refused(error, folder)
    if not lost:
        return 0
    message("error", f"{counted(lost, 'record')} that the kernel gave away could not be written", code="system")
    return 3


def json_form() -> Callable[[bytes], bytes]:
    """What makes of a record a document in one line."""
    from ...report.record_lines import record_line

    return lambda record: b'{"diagnostics":[],"result":' + record_line(record)[:-1] + b"}\n"


class Standard:
    """Standard output as a place for records."""

    def __init__(self) -> None:
        self.waiting: list[bytes] = []

    def write(self, records: list[bytes] | None = None) -> None:
        """Write RECORDS at once."""
        sys.stdout.write(b"".join(records or []).decode("ascii"))
        sys.stdout.flush()

    def reopen(self) -> None:
        """There is nothing to open."""


def as_text(record: bytes) -> bytes:
    """RECORD with an empty line behind it, as log daemons write it.

    Only records of printable ASCII get here, which do nothing to a terminal.
    """
    return record + b"\n"


def chunks(name: str) -> Iterator[bytes]:
    """The bytes of the file NAME, or of standard input, a chunk at a time."""
    if name == "-":
        # Whatever has come: a log may be written while we read it.
        read = getattr(sys.stdin.buffer, "read1", sys.stdin.buffer.read)
        yield from iter(lambda: read(_CHUNK), b"")
        return
    with open(name, "rb", buffering=0) as file:
        yield from iter(lambda: file.read(_CHUNK) or b"", b"")


def checked(name: str, found: Iterator[bytes]) -> Iterator[bytes]:
    """FOUND, chunks of the log NAME; raises UsageError for a binary file."""
    for position, chunk in enumerate(found):
        if not position:
            refuse_binary(name, chunk)
        yield chunk


def size(argument: str) -> int:
    """A number of bytes, such as 10M."""
    digits = argument.rstrip("kKmMgG")
    unit = _UNITS.get(argument[len(digits) :].lower())
    if not (digits.isascii() and digits.isdecimal()) or unit is None:
        raise argparse.ArgumentTypeError(f"no size: {quoted(argument)} (expected one such as 500k, 10M or 1G)")
    return int(digits) * unit


def count(argument: str) -> int:
    """A number from 0."""
    if not (argument.isascii() and argument.isdecimal()):
        raise argparse.ArgumentTypeError(f"no number: {quoted(argument)} (expected 0 or more)")
    return int(argument)
