"""Lets `tomoyo query` answer real requests; `answers.json` says how each scene ended.  Arguments choose scenes, all by default.

A scene is a function here. It gets a folder of its own for files to ask about, and a domain of its own that may not open them.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.vm import guest, warm

PROFILE = (
    guest.PROFILES
    + b"""\
4-CONFIG={ mode=disabled grant_log=no reject_log=no }
4-CONFIG::file::open={ mode=enforcing grant_log=no reject_log=yes }
4-CONFIG::file::execute={ mode=enforcing grant_log=no reject_log=yes }
"""
)
#: In memory, and not an overlay: there the kernel asks about a lower layer once more.
FOLDER = Path("/run/asked")
#: What ends the text that shows a request.
ASKED = "[q]uit?\n"


class Asker:
    """A process of the domain NAME that does something at once; `act` raises OSError where it may not."""

    def __init__(self, name: str, act: Callable[[], object]) -> None:
        self._result, writer = os.pipe()
        self.pid = os.fork()
        if self.pid:
            os.close(writer)
            return
        status = 1
        try:
            # Else it would hold the command's standard input open, whose end is to be seen.
            os.closerange(3, writer)
            os.closerange(writer + 1, writer + 100)
            guest.write("self_domain", f"<kernel> /{name}".encode())
            try:
                act()
                answer = "granted"
            except PermissionError:
                answer = "denied"
            os.write(writer, answer.encode())
            status = 0
        finally:
            os._exit(status)

    def kill(self) -> None:
        """End the process while it waits."""
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)

    def result(self) -> str:
        """Wait for what became of it."""
        data = os.read(self._result, 1000)
        os.close(self._result)
        os.waitpid(self.pid, 0)
        return data.decode()


class Command:
    """`tomoyo query`, with what it wrote so far."""

    def __init__(self, *arguments: str) -> None:
        self.process = warm.start(["query", "--wait", "60", *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.text = ""
        self.expect("\n")

    def expect(self, text: str, times: int = 1) -> str:
        """Wait until TEXT has been written TIMES times since the last call; gives all of that."""
        assert self.process.stdout is not None
        while self.text.count(text) < times:
            data = os.read(self.process.stdout.fileno(), 1 << 16)
            if not data:
                raise AssertionError(f"ended without {text!r} after {self.text!r}")
            self.text += data.decode()
        found, self.text = self.text, ""
        return found

    def type(self, line: str) -> None:
        """Type LINE."""
        assert self.process.stdin is not None
        os.write(self.process.stdin.fileno(), f"{line}\n".encode())

    def end(self) -> int:
        """Quit, and give the exit code.  Where nobody is asked, the end of input ends nothing."""
        if "--no-ask" in self.process.args:
            self.process.terminate()
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.stdout.read()
        return self.process.wait()


@contextmanager
def command(*arguments: str) -> Iterator[Command]:
    """`tomoyo query` while the block runs."""
    running = Command(*arguments)
    try:
        yield running
    finally:
        if running.process.poll() is not None or running.end() != 0:
            raise AssertionError("ended with an error")


def opening(path: Path) -> Callable[[], object]:
    """What reads PATH."""
    return lambda: os.close(os.open(path, os.O_RDONLY))


def has_open(process: int, path: str) -> bool:
    """Whether PROCESS has PATH open, which runs and closes files meanwhile."""
    folder = f"/proc/{process}/fd"
    for name in os.listdir(folder):
        with suppress(FileNotFoundError):
            if os.readlink(f"{folder}/{name}") == path:
                return True
    return False


def somebody_answers() -> bool:
    """Whether some process has the interface open: only then does the kernel let a request wait."""
    for process in filter(str.isdigit, os.listdir("/proc")):
        with suppress(FileNotFoundError, ProcessLookupError):
            if has_open(int(process), f"{guest.FOLDER}/query"):
                return True
    return False


def entries(name: str) -> list[str]:
    """The entries of a scene's domain."""
    return guest.write_and_read("domain_policy", f"select domain=<kernel> /{name}".encode()).decode().split("\n")[4:-2]


def yes_no_and_retry(name: str, folder: Path) -> object:
    """The same request, answered in three ways."""
    found = []
    with command() as query:
        for letter in "ynr":
            asker = Asker(name, opening(folder / "a"))
            query.expect(ASKED)
            if letter == "r":
                guest.write("domain_policy", f"<kernel> /{name}\nfile read {folder}/a\n".encode())
            query.type(letter)
            query.expect("once\n" if letter != "r" else "asked again\n")
            found.append(asker.result())
    return found


def retry_without_change(name: str, folder: Path) -> object:
    """The kernel asks again, and that is said."""
    with command() as query:
        asker = Asker(name, opening(folder / "a"))
        query.expect(ASKED)
        query.type("r")
        again = query.expect(ASKED)
        query.type("n")
        return ["still does not grant" in again, asker.result()]


def always_edit_and_never(name: str, folder: Path) -> object:
    """Entries and rules that come of answers, and what they do to the next request."""
    rules = folder / "rules"
    rules.write_text("allow path=/nothing\n")
    found = []
    with command("--rules", str(rules)) as query:
        for lines in (["a"], ["e", f"file nonsense {folder}/b", "e", f"file read {folder}/\\?"], ["v"]):
            path = folder / {"a": "a", "e": "b", "v": "secret"}[lines[0]]
            asker = Asker(name, opening(path))
            query.expect(ASKED)
            for line in lines:
                query.type(line)
            found.append([asker.result(), Asker(name, opening(path)).result()])
    return [found, entries(name), rules.read_text()]


def an_entry_that_does_not_help(name: str, folder: Path) -> object:
    """What was added does not grant: the kernel asks again."""
    with command() as query:
        asker = Asker(name, opening(folder / "a"))
        query.expect(ASKED)
        query.type("e")
        query.type(f"file read {folder}/b")
        again = query.expect(ASKED)
        query.type("y")
        return ["still does not grant" in again, asker.result()]


def executing(name: str, folder: Path) -> object:
    """Always, of an execution: bound to the program."""
    program = folder / "program"
    program.write_bytes(Path("/bin/busybox").read_bytes())
    program.chmod(0o755)

    def execute() -> None:
        if os.waitpid(os.posix_spawn(program, ["true"], {}), 0)[1]:
            raise AssertionError("the program failed")

    guest.write("domain_policy", f"<kernel> /{name} {program}\nuse_profile 0\n".encode())
    with command() as query:
        asker = Asker(name, execute)
        query.expect(ASKED)
        query.type("a")
        return [asker.result(), Asker(name, execute).result(), entries(name)]


def explained(name: str, folder: Path) -> object:
    """What comes near is shown with the request, also after the policy has changed, and as JSON."""
    guest.write("exception_policy", f"path_group nix:/asked/a {folder}/a\n".encode())
    guest.write("domain_policy", f"<kernel> /{name}\nfile read {folder}/a task.uid=77\nfile write {folder}/b\n".encode())
    found = []
    with command() as query:
        asker = Asker(name, opening(folder / "a"))
        for answer in ("r", "n"):
            text = query.expect(ASKED)
            found.append([line.strip() for line in text.splitlines() if ":" in line and not line.startswith("    process")])
            guest.write("domain_policy", f"<kernel> /{name}\nfile read {folder}/c\n".encode())
            query.type(answer)
        found.append(asker.result())
    with command("--json") as query:
        asker = Asker(name, opening(folder / "b"))
        asked = json.loads(query.expect("\n"))["result"]
        query.type("y")
        query.expect("\n")
        found.append([asked["wants"], asked["explanation"]["nearest"][0]["reason"], asked["explanation"]["mode"], asker.result()])
    return found


def explained_by_a_large_policy(name: str, folder: Path) -> object:
    """Read in the background, while requests are answered.

    The kernel looks at every group, and every entry of a domain, for each line that it is given: more would take it minutes here.
    """
    bound = "".join(f"path_group nix:/p{number % 100}/x /nix/store/{number:032}-p/x\n" for number in range(10_000))
    guest.write("exception_policy", bound.encode())
    held = "".join(f"file read /srv/{number}/x\n" for number in range(2_000))
    others = "".join(
        f"<kernel> /other{number}\nuse_profile 4\n" + "".join(f"file read /srv/{line}/y\n" for line in range(500))
        for number in range(20)
    )
    guest.write("domain_policy", f"{others}<kernel> /{name}\n{held}file write {folder}/a\n".encode())
    found = []
    with command() as query:
        asker = Asker(name, opening(folder / "b"))
        query.expect("wants:")
        query.type("y")
        found.append(asker.result())
        asker = Asker(name, opening(folder / "a"))
        query.expect("nearest:")
        query.type("y")
        query.expect("granted this once\n")
        found.append(asker.result())
        askers = [Asker(name, opening(folder / "a")) for _ in range(50)]
        query.expect(ASKED, 50)
        query.type("y all")
        found.append(sorted({asker.result() for asker in askers}))
    return found


def rules_alone(name: str, folder: Path) -> object:
    """Nobody is asked."""
    rules = folder / "rules"
    rules.write_text(f"# rules\ndeny path={folder}/secret\nallow domain='<kernel> /{name}' operation=read path={folder}/\\*\n")
    with command("--rules", str(rules), "--no-ask") as query:
        found = [Asker(name, opening(path)).result() for path in (folder / "a", folder / "secret", Path("/run/tomoyo-loader"))]
        return [found, [line.split()[1] for line in query.expect("\n", 3).splitlines()]]


def a_long_wait(name: str, folder: Path) -> object:
    """Longer than the kernel waits by itself."""
    with command() as query:
        asker = Asker(name, opening(folder / "a"))
        query.expect(ASKED)
        time.sleep(13)
        query.type("y")
        return asker.result()


def nobody_answers(name: str, folder: Path) -> object:
    """Longer than we wait."""
    with command("--wait", "1") as query:
        answer = Asker(name, opening(folder / "a")).result()
        return [answer, "nobody answered" in query.expect("nobody answered")]


def many_at_once(name: str, folder: Path) -> object:
    """Fifty processes, all of them granted; then fifty, each with an answer of its own."""
    found = []
    with command() as query:
        for answers in (["y all"], [f"{'yn'[number % 2]}" for number in range(50)]):
            askers = [Asker(name, opening(folder / "a")) for _ in range(50)]
            query.expect(ASKED, 50)
            for answer in answers:
                query.type(answer)
            results = [asker.result() for asker in askers]
            found.append(sorted({(answer, results.count(answer)) for answer in results}))
    return found


def the_asker_is_killed(name: str, folder: Path) -> object:
    """Its request is gone; the next one is not touched by that."""
    with command() as query:
        asker = Asker(name, opening(folder / "a"))
        query.expect(ASKED)
        asker.kill()
        query.expect("waits no more\n")
        other = Asker(name, opening(folder / "b"))
        query.expect(ASKED)
        query.type("y")  # was meant for the one that is gone
        query.expect("next is")
        query.type("y")
        return other.result()


def the_command_ends(name: str, folder: Path) -> object:
    """However it ends, what waits is denied, and the kernel then makes nobody wait."""
    found = []
    for how in ("quit", "end of input", signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGKILL):
        query = Command()
        asker = Asker(name, opening(folder / "a"))
        query.expect(ASKED)
        if how == "quit":
            query.type("q")
        elif isinstance(how, signal.Signals):
            query.process.send_signal(how)
        status = query.end()
        answer = asker.result()
        found.append([str(how), status, answer, somebody_answers(), Asker(name, opening(folder / "a")).result()])
    return found


def no_manager(name: str, folder: Path) -> object:
    """It says so, and ends; a request then does not wait."""
    guest.write("manager", b"delete " + guest.own_program() + b"\n")
    done = warm.run(["query"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    answer = Asker(name, opening(folder / "a")).result()
    return [done.returncode, "manager" in done.stderr, "Traceback" in done.stderr, answer, somebody_answers()]


def notified(name: str, folder: Path) -> object:
    """Requests wait a while, of which a command is told, and are denied; its children keep nothing open."""
    arguments = [
        "--source",
        "query",
        "--hold",
        "2",
        "--",
        "/bin/sh",
        "-c",
        f"cat > {folder}/draft; mv {folder}/draft {folder}/told; sleep 1",
    ]
    running = warm.start(["notify", *arguments])
    while not has_open(running.pid, f"{guest.FOLDER}/query"):
        guest.pause()
    answer = Asker(name, opening(folder / "a")).result()
    while not (folder / "told").exists():
        guest.pause()
    running.terminate()
    status = running.wait()
    after = Asker(name, opening(folder / "a")).result()
    return [answer, status, (folder / "told").read_text().split("\n")[1:], after, somebody_answers()]


SCENES = (
    yes_no_and_retry,
    retry_without_change,
    always_edit_and_never,
    an_entry_that_does_not_help,
    executing,
    explained,
    rules_alone,
    a_long_wait,
    nobody_answers,
    many_at_once,
    the_asker_is_killed,
    the_command_ends,
    notified,
    explained_by_a_large_policy,  # which stays there
    no_manager,  # the last one: after it nobody may answer
)


def main() -> None:
    """Play every scene."""
    guest.activate(profile=PROFILE)
    guest.write("domain_policy", b"<kernel>\nuse_profile 0\n")
    FOLDER.mkdir(mode=0o755)
    answers = {}
    for scene in SCENES:
        name = scene.__name__
        if sys.argv[1:] and name not in sys.argv[1:]:
            continue
        folder = FOLDER / name
        folder.mkdir(mode=0o755)
        for file in ("a", "b", "secret"):
            (folder / file).touch()
        guest.write(
            "domain_policy",
            f"<kernel>\ntask manual_domain_transition <kernel> /{name}\n<kernel> /{name}\nuse_profile 4\n".encode(),
        )
        answers[name] = scene(name, folder)
        print(name, flush=True)
        Path("answers.json").write_text(json.dumps(answers))


if __name__ == "__main__":
    main()
