"""Learns, explains, replays and suggests with a running kernel, on the sample system of `tomoyo demo`.

`bindings.conf` binds its programs. `answers.json` says what each command printed and how it ended.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from tests.sample import SYSTEM
from tests.vm import guest, warm
from tests.vm.jobs.sample import set_up

CLOSURE = ["--closure-file", str(SYSTEM / "registration"), "--closure", "/run/current-system"]
NOTES = "<kernel> nix:/notes/bin/notes"
#: What notes needs to add one, but for the file that it adds it to.
POLICY = f"""\
{NOTES}
use_profile 3
file read @nix:/busybox/bin/busybox
file read @nix:/notes/bin/notes
file getattr /run/share/files/
file append /var/lib/notes/notes task.uid=1
network inet stream connect 10.0.0.0-10.0.0.255 22
"""
PROFILE = (
    guest.PROFILES
    + b"""\
3-PREFERENCE={ max_audit_log=10000 max_learning_entry=0 }
3-CONFIG={ mode=enforcing grant_log=yes reject_log=yes }
3-CONFIG::misc={ mode=disabled grant_log=no reject_log=no }
"""
)

Answer = tuple[int, str, str]


def tomoyo(*arguments: str, stdin: str = "") -> Answer:
    """Run the command: its exit code, output and messages."""
    done = warm.run(arguments, input=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    return done.returncode, done.stdout, done.stderr


def notes(*arguments: str) -> int:
    """Run the application of the sample: its exit code, -1 where it cannot be executed."""
    program = "/run/current-system/sw/bin/notes"
    try:
        return subprocess.run([program, *arguments], stdin=subprocess.DEVNULL, capture_output=True, check=False).returncode
    except PermissionError:
        return -1


def learn() -> dict[str, object]:
    """A program laid out as a store is, learned without bindings, and with them while it runs elsewhere in the policy."""
    before = guest.read("domain_policy")
    programs = "/run/current-system/sw/bin"
    unbound = tomoyo("learn", *CLOSURE, "--", f"{programs}/notes")
    same = guest.read("domain_policy") == before
    guest.write("exception_policy", Path("bindings.conf").read_bytes())
    guest.write("exception_policy", b"initialize_domain nix:/notes/bin/notes from any\n")
    bound = tomoyo("learn", *CLOSURE, "-o", "/run/learned", "--", f"{programs}/notes", "add", "first")
    return {"unbound": unbound, "same": same, "bound": [*bound, Path("/run/learned").read_text()]}


def ask() -> dict[str, object]:
    """What a policy lacks: found in what the kernel denied, explained, suggested, added, and then granted.

    The folder that the job runs in, which the shell looks at, is no part of the sample.
    """
    for line in Path("bindings.conf").read_text().splitlines():
        _, path, name = line.split()
        if name in ("nix:/busybox/bin/busybox", "nix:/notes/bin/notes") and "-system-path/" not in path:
            guest.write("exception_policy", f"path_group {name} {path}\n".encode())
    guest.write("domain_policy", POLICY.encode())
    denied = notes("add", "milk")
    status, log, messages = tomoyo("audit", "--once")
    answers: dict[str, object] = {"denied": denied, "audit": (status, messages), "log": log}
    Path("/run/log").write_text(log)
    answers["explain_log"] = tomoyo("explain", "--json", "--log", "/run/log")
    answers["explain"] = tomoyo("explain", NOTES, "file", "append", "/var/lib/notes/notes", "--uid", "0")
    answers["explain_any"] = tomoyo("explain", NOTES, "file", "append", "/var/lib/notes/notes")
    answers["replay"] = tomoyo("replay", "/run/log")
    answers["can"] = tomoyo("can", "--enforced", "--op", "append", "--path", "/var/lib/notes/notes")
    answers["can_connect"] = tomoyo("can", "--enforced", "--op", "connect", "--address", "10.0.0.1", "--port", "22")
    answers["suggest"] = tomoyo("suggest", "--kernel", "/run/log")
    suggested = [line for line in str(answers["suggest"][1]).splitlines() if line[:1] != "#"]  # type: ignore[index]
    guest.write("domain_policy", "".join(f"{line}\n" for line in suggested).encode())
    answers["granted"] = notes("add", "milk")
    answers["replay_then"] = tomoyo("replay", "/run/log")
    answers["suggest_then"] = tomoyo("suggest", "--kernel", "/run/log")
    return answers


def learned_by_the_kernel() -> dict[str, object]:
    """A domain in learning mode: what it learned is suggested to a policy in files that lacks it."""
    policy = guest.read("domain_policy").decode()
    folder = Path("/run/policy")
    folder.mkdir()
    (folder / "domain_policy.conf").write_text(policy)
    guest.write("domain_policy", f"{NOTES}\nuse_profile 1\n".encode())
    status = notes("list")
    live = f"{guest.FOLDER}/domain_policy"
    found = tomoyo("suggest", *CLOSURE, "--policy", str(folder), "--learned", live)
    return {"status": status, "suggest": found, "nothing": tomoyo("suggest", "--kernel", "--learned", live)}


def main() -> None:
    """Play every scene."""
    set_up("1")
    guest.activate(profile=PROFILE)
    guest.write("domain_policy", b"<kernel>\nuse_profile 0\n")
    answers: dict[str, object] = {}
    for scene in (learn, ask, learned_by_the_kernel):
        answers[scene.__name__] = scene()
        Path("answers.json").write_text(json.dumps(answers))


if __name__ == "__main__":
    main()
