"""Activations on the real kernel, as `request.json` asks: answers are in `answer.json`.

A *loop* is a confined process that opens files as fast as it can: some that every set permits, some that none does.  It counts
the wrong answers.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any

from tests.vm import guest
from tomoyo.activation.activation import activate
from tomoyo.activation.outcome import ActivationError
from tomoyo.kernel.securityfs import Securityfs
from tomoyo.sets.policy_set import PolicySet
from tomoyo.sets.writing import write_policy_set
from tomoyo.simulation.policy_reading import domain_blocks

FILES = "/run/files"
LOOP = "/run/loop"
SETS = "/run/sets"
STATE = {"state": "/run/state", "locks": "/run/locks"}
PROFILES = (
    "PROFILE_VERSION=20150505\n"
    "0-CONFIG={ mode=disabled grant_log=no reject_log=no }\n"
    "3-CONFIG={ mode=disabled grant_log=no reject_log=no }\n"
    "3-CONFIG::file::open={ mode=enforcing grant_log=no reject_log=no }\n"
    "4-CONFIG={ mode=disabled grant_log=no reject_log=no }\n"
    "4-CONFIG::file={ mode=enforcing grant_log=no reject_log=no }\n"
)
#: The two ways in which the loop's domain is permitted the same.
ENTRIES = (
    f"use_profile 3\nuse_group 1\n\nfile read {FILES}/yes0\nfile read/write {FILES}/yes1\nfile read @files\n",
    f"use_profile 4\nuse_group 2\nuse_group 7\n\nfile read {FILES}/yes\\+\nfile write/append /elsewhere\n",
)
SHARED = (
    f"path_group files {FILES}/yes2\nacl_group 1 file read {FILES}/yes3\nacl_group 2 file write {FILES}/other\n",
    f"acl_group 2 file read /usr/\\*\nacl_group 7 file read {FILES}/yes3\nacl_group 1 file write {FILES}/other\n",
)
LOOPING = f"""
import os, signal, sys
wrong, rounds, stop = [], 0, []
signal.signal(signal.SIGTERM, lambda *_: stop.append(1))
names = [(b"{FILES}/%s%d" % (word, n), word == b"yes") for n in range(4) for word in (b"yes", b"no")]
os.write(1, b"ready\\n")
sys.stdin.readline()
while not stop:
    rounds += 1
    for name, permitted in names:
        try:
            os.close(os.open(name, os.O_RDONLY))
            answer = True
        except PermissionError:
            answer = False
        if answer is not permitted:
            wrong.append((rounds, name.decode()))
os.write(1, b"%d %d %s\\n" % (rounds, len(wrong), repr(wrong[:5]).encode()))
"""


def policy(which: int, lines: int, draw: random.Random) -> PolicySet:
    """One of two sets of about LINES lines; half of what they say is the same."""
    fillers = []
    for number in range(lines // 50):
        entries = [f"file read /usr/share/{number}/{draw.randint(0, 10**6) if i % 2 else i}" for i in range(48)]
        fillers.append(
            f"<kernel> /filler{number % 20} /program{number}\nuse_profile {3 + which}\n\n" + "\n".join(entries) + "\n\n"
        )
    domains = f"<kernel>\nuse_profile 0\n\n\n<kernel> {LOOP}\n{ENTRIES[which]}\n" + "".join(fillers)
    exceptions = f"initialize_domain {LOOP} from any\n{SHARED[which]}"
    return PolicySet(domains, exceptions, "", PROFILES, guest.own_program().decode() + "\n")


@contextmanager
def loop(first: str, result: dict[str, Any]) -> Iterator[None]:
    """Run the loop, confined by the set in FIRST; put what it found into RESULT."""
    guest.write("domain_policy", f"<kernel> {LOOP}\nuse_profile 0\n".encode())
    process = subprocess.Popen([LOOP, "-S", "-c", LOOPING], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdin is not None
    process.stdout.readline()
    activate(first, **STATE)
    process.stdin.write(b"\n")
    process.stdin.flush()
    try:
        yield
    finally:
        process.terminate()
        rounds, wrong, examples = process.stdout.read().decode().split(" ", 2)
        result.update(rounds=int(rounds), wrong=int(wrong), examples=examples.strip())
        process.wait()


def prepare() -> None:
    os.makedirs(FILES)
    os.mkdir(SETS)
    for number in range(4):
        for word in ("yes", "no"):
            with open(f"{FILES}/{word}{number}", "w", encoding="ascii"):
                pass
    os.symlink(os.path.realpath(sys.executable), LOOP)
    guest.write("exception_policy", f"initialize_domain {LOOP} from any\n".encode())
    guest.activate(profile=PROFILES.encode())


def write_sets(lines: int, seed: int) -> list[str]:
    draw = random.Random(seed)
    paths = [f"{SETS}/{lines}-{which}" for which in range(2)]
    for which, path in enumerate(paths):
        write_policy_set(policy(which, lines, draw), path)
    return paths


def switches(request: dict[str, Any]) -> dict[str, Any]:
    """Switch between two sets, again and again, and ask the loop."""
    paths = write_sets(request["lines"], request["seed"])
    result: dict[str, Any] = {}
    with loop(paths[0], result):
        for number in range(request["times"]):
            outcome = activate(paths[(number + 1) % 2], **STATE)
            result["changes"] = outcome.changes
    return result


def loadpolicy(request: dict[str, Any]) -> dict[str, Any]:
    """The same with the C tool."""
    paths = write_sets(request["lines"], request["seed"])
    result: dict[str, Any] = {}
    with loop(paths[0], result):
        guest.write("manager", b"/usr/sbin/tomoyo-loadpolicy\n")
        for number in range(request["times"]):
            path = paths[(number + 1) % 2]
            for option, name in (("-ef", "exception_policy"), ("-df", "domain_policy")):
                with open(f"{path}/{name}.conf", "rb") as text:
                    subprocess.run(["/usr/sbin/tomoyo-loadpolicy", option], stdin=text, check=True)
    return result


class Dying(Securityfs):
    """An interface whose user is killed after some lines."""

    def __init__(self, lines: int) -> None:
        super().__init__()
        self.lines = lines

    def write(self, name: str, data: str | bytes) -> None:
        text = data if isinstance(data, str) else data.decode("latin-1")
        given = text.splitlines(keepends=True)
        if len(given) > self.lines:
            super().write(name, "".join(given[: self.lines]))
            os.kill(os.getpid(), signal.SIGKILL)
        self.lines -= len(given)
        super().write(name, text)


def kills(request: dict[str, Any]) -> dict[str, Any]:
    """Kill activations at random points; the next one has to end right."""
    draw = random.Random(request["seed"])
    paths = write_sets(request["lines"], request["seed"])
    sets = [policy(which, request["lines"], source) for source in [random.Random(request["seed"])] for which in range(2)]
    result: dict[str, Any] = {"killed": 0, "unfinished": []}
    with loop(paths[0], result):
        for number in range(request["times"]):
            which = (number + 1) % 2
            point = draw.randint(0, request["lines"])
            child = os.fork()
            if not child:
                with suppress(BaseException):
                    activate(paths[which], Dying(point), **STATE)
                os._exit(0)
            _, status = os.waitpid(child, 0)
            result["killed"] += os.WIFSIGNALED(status)
            activate(paths[which], **STATE)
            if not sorted_domains(sets[which].domain_policy).items() <= sorted_domains(Securityfs().domain_policy()).items():
                result["unfinished"].append(f"{number} differs")
    return result


def sorted_domains(text: str) -> dict[str, tuple[str, ...]]:
    """The lines of each domain, each once, in an order of their own."""
    return {name: tuple(sorted(set(filter(None, block.split("\n"))))) for name, block in (domain_blocks(text) or {}).items()}


def pairs(request: dict[str, Any]) -> list[dict[str, Any]]:
    """Bring the kernel through random sets (see tests/activation/policies.py) and give back what it prints after each."""
    shelter = ["<shelter> 0-CONFIG={ mode=disabled }\n", "<shelter>\n<kernel>\ntask manual_domain_transition <shelter>\n"]
    guest.write("profile", shelter[0].encode())
    guest.write("domain_policy", shelter[1].encode())
    guest.write("self_domain", b"<shelter>")
    guest.write("domain_policy", b"<kernel>\ndelete task manual_domain_transition <shelter>\n")
    found = []
    for number, texts in enumerate(request["sets"]):
        path = f"{SETS}/pair{number}"
        texts["manager"] += guest.own_program().decode() + "\n"
        write_policy_set(PolicySet(**texts), path)
        outcome = activate(path, **STATE)
        again = activate(path, **STATE)
        names = ("domain_policy", "exception_policy", "profile", "manager")
        found.append({"again": again.changes, "changes": outcome.changes, **{name: guest.read(name).decode() for name in names}})
    return found


def limit(wanted: str, quota: int) -> None:
    """Give the kernel a quota that the set WANTED has, too: one that it has not would be taken away."""
    line = f"Memory used by policy: {quota}\n"
    guest.write("stat", line.encode())
    with open(f"{wanted}/stat.conf", "w", encoding="ascii") as file:
        file.write(line)


def dropped(request: dict[str, Any]) -> dict[str, Any]:
    """Sets that the kernel does not take: over the quota.  The old one has to be back."""
    first, second = write_sets(request["lines"], request["seed"])
    activate(first, **STATE)
    before = guest.read("domain_policy"), guest.read("exception_policy")
    used = next(line for line in guest.read("stat").decode().split("\n") if line.startswith("Memory used by policy"))
    quota = int(used.partition(":")[2].split()[0]) + 8192
    limit(second, quota)
    message = ""
    try:
        activate(second, **STATE)
    except ActivationError as error:
        message = str(error)
    guest.settle()
    after = guest.read("domain_policy"), guest.read("exception_policy")
    guest.write("stat", b"Memory used by policy: 0\n")
    return {"message": message, "restored": [sorted(a.split(b"\n")) == sorted(b.split(b"\n")) for a, b in zip(before, after)]}


def few(request: dict[str, Any]) -> dict[str, Any]:
    """A few domains of many change, at first over the quota, so that one of them is refused."""
    first = f"{SETS}/few0"
    write_policy_set(policy(0, request["lines"], random.Random(request["seed"])), first)
    activate(first, **STATE)
    wanted = policy(0, request["lines"], random.Random(request["seed"]))
    domains = wanted.domain_policy.split("\n\n<")
    chosen = random.Random(request["seed"]).sample(range(3, len(domains)), 3)
    for number in chosen:
        domains[number] = domains[number].replace("/share/", "/other" + "x" * 2000 + "/", 1)
    second = f"{SETS}/few1"
    write_policy_set(replace(wanted, domain_policy="\n\n<".join(domains)), second)
    before = guest.read("domain_policy")
    guest.settle()
    used = next(line for line in guest.read("stat").decode().split("\n") if line.startswith("Memory used by policy"))
    message = ""
    try:
        limit(second, int(used.partition(":")[2].split()[0]) + 5000)
        activate(second, **STATE)
    except ActivationError as error:
        message = str(error)
    guest.write("stat", b"Memory used by policy: 0\n")
    os.unlink(f"{second}/stat.conf")
    guest.settle()
    restored = sorted_domains(guest.read("domain_policy").decode()) == sorted_domains(before.decode())
    outcome = activate(second, **STATE)
    now = sorted_domains(guest.read("domain_policy").decode())
    right = [now[name] == lines for name, lines in sorted_domains("\n\n<".join(domains)).items() if lines]
    return {
        "message": message,
        "restored": restored,
        "changes": outcome.changes,
        "right": [all(right), len(right)],
        "again": activate(second, **STATE).changes,
    }


REQUESTS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "switches": switches,
    "loadpolicy": loadpolicy,
    "kills": kills,
    "pairs": pairs,
    "dropped": dropped,
    "few": few,
}

if __name__ == "__main__":
    with open("request.json", encoding="ascii") as file:
        requests = json.load(file)
    prepare()
    answers = [REQUESTS[request["do"]](request) for request in requests]
    with open("answer.json", "w", encoding="ascii") as file:
        json.dump(answers, file)
