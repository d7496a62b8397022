"""Notifications: not too often, nothing lost, no shell."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from tomoyo.audit.notification import FAILURES, MAX_RECORDS, Command, Followed, Gathering, Notification, Notifier

RECORD = (Path(__file__).parents[1] / "data" / "records" / "query.txt").read_bytes().split(b"\0")[0].partition(b"\n")[2]


def test_the_first_is_told_at_once_and_the_others_together() -> None:
    gathering = Gathering(60.0)
    assert (gathering.wait(0.0), gathering.take(0.0)) == (None, None)
    gathering.add(b"1\n")
    assert gathering.take(5.0) == Notification((b"1\n",))
    gathering.add(b"2\n")
    gathering.add(b"3\n")
    assert gathering.wait(10.0) == 55.0
    assert gathering.take(64.9) is None
    assert gathering.take(65.0) == Notification((b"2\n", b"3\n"))
    assert gathering.take(999.0) is None


def test_a_flood_is_counted_and_takes_no_memory() -> None:
    gathering = Gathering(60.0)
    for number in range(100000):
        gathering.add(b"%d\n" % number)
    found = gathering.take(0.0)
    assert found is not None
    assert (len(found.records), found.left_out) == (MAX_RECORDS, 100000 - MAX_RECORDS)
    assert found.text.endswith(b"99\n\nand 99900 more\n")


def python(script: str) -> list[str]:
    return [sys.executable, "-S", "-c", script]


def wait(command: Command) -> None:
    while command.is_running(0.0):
        os.sched_yield()


def test_the_command_reads_the_records_and_is_run_as_given(tmp_path: Path) -> None:
    show = (
        "import json, os, sys; json.dump([sys.argv[1:], sys.stdin.read(), os.environ['TOMOYO_DENIALS']], open(sys.argv[1], 'w'))"
    )
    arguments = [str(tmp_path / "out"), "; touch x", "$(id)", "`id`", "%s"]
    command = Command([*python(show), *arguments])
    command.start(Notification((RECORD, b"$(touch y)\n"), 3), 0.0)
    wait(command)
    assert json.loads((tmp_path / "out").read_text()) == [arguments, f"{RECORD.decode()}\n$(touch y)\n\nand 3 more\n", "5"]


def test_a_command_that_reads_nothing_holds_up_nothing() -> None:
    command = Command(python("import signal; signal.pause()"), limit=5.0)
    command.start(Notification((b"x" * 5_000_000,)), 100.0)
    assert command.is_running(104.0)
    assert not command.is_running(106.0)


def test_a_command_that_takes_too_long_is_ended_with_its_children(tmp_path: Path) -> None:
    path = tmp_path / "child"
    os.mkfifo(path)
    script = f"import os, signal\nchild = os.fork()\nif child: open({str(path)!r}, 'w').write(str(child))\nsignal.pause()"
    command = Command(python(script), limit=5.0)
    command.start(Notification((b"x\n",)), 0.0)
    child = os.pidfd_open(int(path.read_text()))
    assert not command.is_running(6.0)
    # It comes back once the child has ended.
    select.select([child], [], [])
    os.close(child)


def test_what_is_chosen_is_told_one_run_at_a_time() -> None:
    told: list[str] = []
    clock = [0.0]
    command = Command(["/nonexistent/command"])
    notifier = Notifier(command, 10.0, lambda outline: not outline.granted, told.append, lambda: clock[0])
    notifier.take([RECORD, RECORD.replace(b"granted=no", b"granted=yes"), b"nonsense\n"])
    notifier.step()
    notifier.step()
    assert told == ["cannot run '/nonexistent/command': No such file or directory"]
    notifier.take([RECORD])
    notifier.step()
    clock[0] = 11.0
    notifier.step()
    notifier.take([RECORD])
    clock[0] = 22.0
    notifier.step()
    assert len(told) == 1
    notifier.take([RECORD])
    clock[0] = FAILURES
    notifier.step()
    assert told[1:] == ["cannot run '/nonexistent/command': No such file or directory; 2 runs before failed, too"]


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("raise SystemExit(3)", "ended with exit status 3"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGTERM)", "was ended by signal 15"),
        ("import signal; signal.pause()", "took longer than 0.05 seconds, and was ended"),
    ],
)
def test_that_a_run_failed_is_told_once_in_a_while(script: str, why: str) -> None:
    told: list[str] = []
    limit = 0.05 if "pause" in script else 60.0
    notifier = Notifier(Command(python(script), limit), 0.0, lambda _: True, told.append)
    for _ in range(3):
        notifier.take([RECORD])
        notifier.step()
        notifier.command.finish()
    notifier.finish()
    assert told == [f"{sys.executable!a} {why}", f"of the runs of {sys.executable!a} since, 2 failed"]


def test_the_command_line_from_a_pipe(tmp_path: Path) -> None:
    script = "import sys; sys.stdout.write(sys.stdin.read() + '---')"
    notify = [sys.executable, "-m", "tomoyo", "notify", "--source", "-", "--", *python(script)]
    stream = RECORD + b"\n" + RECORD.replace(b"granted=no", b"granted=yes") + b"\0broken\xff\n\0" + b"x" * (1 << 20)
    done = subprocess.run(notify, input=stream, capture_output=True, check=False, cwd=Path(__file__).parents[2])
    assert (done.returncode, done.stdout) == (0, RECORD + b"---")
    assert done.stderr == b"tomoyo: warning: 2 broken records were skipped [notification]\n"
    done = subprocess.run(notify, input=b"no log\n", capture_output=True, check=False, cwd=Path(__file__).parents[2])
    assert (done.returncode, done.stderr) == (
        2,
        b"<stdin>: error: no audit record [no-log]\nhelp: give a log that 'tomoyo audit' or tomoyo-auditd wrote\n",
    )
    missing = [*notify[:6], "--", "/nonexistent/command"]
    done = subprocess.run(missing, input=stream, capture_output=True, check=False, cwd=Path(__file__).parents[2])
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"there is no program '/nonexistent/command'" in done.stderr


def test_what_is_left_at_the_end_is_told(tmp_path: Path) -> None:
    script = f"import sys; open({str(tmp_path / 'out')!r}, 'a').write(sys.stdin.read() + '---')"
    notifier = Notifier(Command(python(script)), 1000.0, lambda _: True, pytest.fail)
    notifier.take([RECORD])
    notifier.step()
    notifier.take([RECORD, RECORD])
    notifier.step()
    notifier.finish()
    text = RECORD.decode()
    assert (tmp_path / "out").read_text() == f"{text}---{text}\n{text}---"


def test_a_log_is_followed_from_its_end_on_and_into_the_next_file(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    path.write_bytes(b"before\n")
    log = Followed(str(path))
    assert log.read() == b""
    with path.open("ab") as file:
        file.write(b"1\n")
        file.flush()
        assert log.read() == b"1\n"
        file.write(b"2\n")
        file.flush()
        path.rename(tmp_path / "audit.log.1")
        # What the old one still gets is not missed.
        assert (log.read(), log.read()) == (b"2\n", b"")
        file.write(b"3\n")
    path.write_bytes(b"4\n")
    assert (log.read(), log.read(), log.read()) == (b"3\n", b"4\n", b"")
    path.unlink()
    assert log.read() == b""
    log.close()


def test_a_log_that_is_not_there_yet_is_read_from_its_beginning(tmp_path: Path) -> None:
    log = Followed(str(tmp_path / "audit.log"))
    assert log.read() == b""
    (tmp_path / "audit.log").write_bytes(b"1\n")
    assert (log.read(), log.read()) == (b"1\n", b"")
    log.close()
    (tmp_path / "audit.log").rename(tmp_path / "other")
    (tmp_path / "audit.log").symlink_to("other")
    with pytest.raises(OSError, match="symbolic link"):
        Followed(str(tmp_path / "audit.log"))


def opened(process: int) -> set[str]:
    """The files that PROCESS has open, which opens and closes some meanwhile."""
    found = set()
    for link in Path(f"/proc/{process}/fd").glob("[0-9]*"):
        with suppress(FileNotFoundError):
            found.add(os.readlink(link))
    return found


def test_the_command_line_follows_a_log(tmp_path: Path) -> None:
    path, told = tmp_path / "audit.log", tmp_path / "told"
    script = f"import sys; open({str(told)!r}, 'a').write(sys.stdin.read() + '---')"
    command = [sys.executable, "-m", "tomoyo", "notify", "--interval", "0.001", "--follow", str(path), "--", *python(script)]
    path.write_bytes(RECORD.replace(b"/", b"/old/") + b"\n")
    running = subprocess.Popen(command, cwd=Path(__file__).parents[2])
    try:
        # What is there when it begins is old news.
        while str(path) not in opened(running.pid):
            assert running.poll() is None
            os.sched_yield()
        (tmp_path / "new").write_bytes(RECORD + b"\n")
        (tmp_path / "new").rename(path)
        while not told.exists() or not told.read_text().endswith("---"):
            assert running.poll() is None
            os.sched_yield()
    finally:
        running.terminate()
    assert (running.wait(), told.read_text()) == (0, f"{RECORD.decode()}---")
    both = [*command[:4], "--follow", str(path), "--source", "-", "--", "true"]
    done = subprocess.run(both, capture_output=True, check=False, cwd=Path(__file__).parents[2])
    assert (done.returncode, done.stderr) == (2, b"tomoyo: error: say either --follow LOG or --source [usage]\n")
