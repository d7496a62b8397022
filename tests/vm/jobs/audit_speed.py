"""Times what reads the kernel's records: the bare reading, our recorder, and the C tool's, each of the records that wait.

Arguments: how often each, and how many records. `seconds.json` has the seconds of each run by name.
"""

from __future__ import annotations

import json
import sys
import time

from tests.vm import guest
from tests.vm.jobs.auditing import FOLDER, PROFILE, limit, requests, run_auditd
from tomoyo.audit.kernel_log import AuditLog
from tomoyo.audit.log_file import LogFile
from tomoyo.audit.recorder import Recorder, record_waiting


def read() -> None:
    """Read what waits."""
    with AuditLog() as log:
        while log.waiting():
            pass


def record() -> None:
    """Read it into a log."""
    with AuditLog() as log, LogFile(str(FOLDER / "speed.log"), limit=None) as sink:
        record_waiting(log, Recorder(sink, None, lambda record: record + b"\n", print))


def main() -> None:
    """Take turns, so that what else the host does hits all alike."""
    guest.activate(profile=PROFILE.encode())
    FOLDER.mkdir(mode=0o755)
    guest.write("domain_policy", b"<kernel>\ntask manual_domain_transition <kernel> /speed\n<kernel> /speed\nuse_profile 1\n")
    times, records = map(int, sys.argv[1:])
    limit(2 * records)
    readers = {"reading": read, "recording": record, "tomoyo-auditd": run_auditd}
    seconds: dict[str, list[float]] = {name: [] for name in readers}
    for _ in range(times):
        for name, run in readers.items():
            requests("speed", records)
            started = time.monotonic()
            run()
            seconds[name].append(time.monotonic() - started)
    with open("seconds.json", "w", encoding="ascii") as file:
        json.dump(seconds, file)


if __name__ == "__main__":
    main()
