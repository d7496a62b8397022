"""What an administrator does with a running kernel: activate, keep what was learned, collect garbage, save with names."""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from tomoyo.sets.directory import FILES

from . import guest, machine
from .fixtures import kernel, kernel_release
from .kernels import Kernel
from .layout import SHARE

__all__ = ["kernel", "kernel_release"]

PROFILES = guest.PROFILES.decode()
#: The program that asks, which must stay a manager.
MANAGER = f"{os.path.realpath(sys.executable)}\n"
SETS = f"{SHARE}/files"


def policy_set(name: str, domains: str, exceptions: str = "", bindings: str = "") -> dict[str, bytes]:
    """The files of a set."""
    texts = {
        "domain_policy": f"<kernel>\nuse_profile 0\n\n\n{domains}",
        "exception_policy": exceptions,
        "bindings": bindings,
        "profile": PROFILES,
        "manager": MANAGER,
    }
    return {f"{name}/{FILES[kind]}": text.encode() for kind, text in texts.items()}


class Steps:
    """Steps for the job `commands`, and their answers by name."""

    def __init__(self) -> None:
        self.steps: list[list[str]] = [["activate", PROFILES]]
        self.names: list[str] = [""]

    def add(self, name: str, *step: str) -> None:
        """Take a step; what it answers is called NAME."""
        self.steps.append(list(step))
        self.names.append(name)

    def tomoyo(self, name: str, *arguments: str) -> None:
        """Run the command."""
        self.add(name, "tomoyo", *arguments)

    def run(self, kernel: Kernel, files: dict[str, bytes]) -> dict[str, Any]:
        """The answers."""
        given = {**files, "steps.json": json.dumps(self.steps).encode()}
        answers = json.loads(machine.run(kernel, "commands", files=given).files["answers.json"])
        return dict(zip(self.names, answers, strict=True))


def block(text: str, domain: str) -> list[str]:
    """The lines of a domain, sorted; none where it is not there."""
    return sorted(filter(None, f"\n{text}".partition(f"\n{domain}\n")[2].partition("\n<")[0].split("\n")))


def updates(stat: str) -> int:
    """How often policy was changed."""
    return int(stat.partition("Policy update:")[2].split()[0])


# What was learned

LEARNER = "<kernel> /run/learner"


def test_what_a_kernel_learned_stays_if_asked_and_goes_if_not(kernel: Kernel) -> None:
    entries = "file read /run/wanted\n"
    enforced = f"<kernel> /run/enforced\nuse_profile 3\n\n{entries}\n"
    files = policy_set("first", f"{LEARNER}\nuse_profile 1\n\n{enforced}", "initialize_domain /run/learner from any\n")
    files |= policy_set(
        "second", f"{LEARNER}\nuse_profile 1\n\n{entries}\n{enforced}", "initialize_domain /run/learner from any\n"
    )
    steps = Steps()
    steps.add("", "shell", "cp /bin/dash learner; echo x > secret; cp /bin/busybox cat")
    steps.tomoyo("first", "activate", f"{SETS}/first")
    steps.add("stat before", "read", "stat")
    steps.add("learned", "program", "/run/learner", "-c", "read x < /run/secret; /run/cat /run/secret")
    steps.add("stat after", "read", "stat")
    steps.add("", "write", "domain_policy", "<kernel> /run/enforced\nfile read /run/by-hand\n")
    steps.add("before", "read", "domain_policy")
    steps.tomoyo("dry", "activate", "--dry-run", "--keep-learned", f"{SETS}/second")
    steps.tomoyo("kept", "activate", "--keep-learned", f"{SETS}/second")
    steps.add("after", "read", "domain_policy")
    steps.tomoyo("again", "activate", "-v", "--keep-learned", f"{SETS}/second")
    steps.tomoyo("dropped", "activate", f"{SETS}/second")
    steps.add("end", "read", "domain_policy")
    found = steps.run(kernel, files)
    assert found["first"][0] == found["kept"][0] == found["dropped"][0] == 0, found
    assert found["learned"] == [0, "x\n", ""]
    # By this save tells that nothing changed while it read: what is learned counts, too.
    assert updates(found["stat after"]) > updates(found["stat before"])
    learned = block(found["before"], LEARNER)
    assert {"file read /run/secret", "use_profile 1"} < set(learned)
    assert any(line.startswith("file execute /run/cat ") for line in learned)
    # The child's domain was made by learning, too, and nobody wants it.
    child = block(found["before"], f"{LEARNER} /run/cat")
    assert "file read /run/secret" in child
    assert found["dry"][1].splitlines() == [
        f"domain_policy: {LEARNER}",
        "domain_policy: file read /run/wanted",
        "domain_policy: <kernel> /run/enforced",
        "domain_policy: delete file read /run/by-hand",
    ]
    assert block(found["after"], LEARNER) == sorted([*learned, "file read /run/wanted"])
    assert block(found["after"], f"{LEARNER} /run/cat") == child
    assert block(found["after"], "<kernel> /run/enforced") == ["file read /run/wanted", "use_profile 3"]
    assert found["again"] == [0, "", "tomoyo: note: nothing to do [activation]\n"]
    assert block(found["end"], LEARNER) == ["file read /run/wanted", "use_profile 1"]
    assert f"{LEARNER} /run/cat" not in found["end"]


# Bindings and garbage

USES = ("run", "map", "strange", "open", "stand", "none")
#: What maps a file in a domain that has an entry for it, and the same in one that has none.
MAPPING = "<kernel> /run/mapper\nuse_profile 0\n\nfile read @nix:/map/conf\n\n<kernel> /run/stranger\nuse_profile 0\n\n\n"
#: It says that it runs, and waits without a child that would hold what it holds.
WAIT = "echo; kill -STOP $$"
CODE = """
import mmap, signal, sys
with open(sys.argv[1]) as file:
    kept = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
print(flush=True)
signal.pause()
"""


def store_path(use: str, version: int) -> str:
    return f"/nix/store/{str(version) * 31}{USES.index(use)}-{use}-{version}"


def bindings(version: int, *uses: str) -> set[str]:
    return {
        line
        for use in uses or USES
        for line in (
            f"aggregator {store_path(use, version)}/bin/app nix:/{use}/bin/app",
            f"path_group nix:/{use}/conf {store_path(use, version)}/conf",
        )
    }


def test_old_bindings_and_domains_stay_while_they_are_used(kernel: Kernel) -> None:
    """A program that runs, or a file that is mapped, in a domain that uses the name; nothing that just any user could hold."""
    domain = "<kernel> nix:/{}/bin/app\nuse_profile 0\n\nfile read @nix:/{}/conf\n\n"
    starts = ("nix:/run/bin/app", "nix:/none/bin/app", "/run/mapper", "/run/stranger")
    exceptions = "".join(f"initialize_domain {name} from any\n" for name in starts)
    old, new = ("".join(domain.format(use, use) for use in uses) for uses in (("run", "none", "map"), ("none",)))
    files = policy_set("old", old + MAPPING, exceptions, "".join(f"{line}\n" for line in sorted(bindings(1))))
    files |= policy_set("new", new + MAPPING, exceptions, "".join(f"{line}\n" for line in sorted(bindings(2))))
    paths = " ".join(store_path(use, version) for use in USES for version in (1, 2))
    steps = Steps()
    steps.tomoyo("", "demo", "--write", SAMPLE)
    steps.add("", "shell", "mkdir -p /nix; mount -t tmpfs -o mode=755 tmpfs /nix")
    steps.add("", "shell", f"for path in {paths}; do mkdir -p $path/bin; cp /bin/dash $path/bin/app; echo x > $path/conf; done")
    steps.add("", "shell", f"for name in mapper stranger; do ln -s {MANAGER.strip()} /run/$name; done")
    steps.tomoyo("old", "activate", f"{SETS}/old")
    steps.add("run", "start", f"{store_path('run', 1)}/bin/app", "-c", WAIT)
    steps.add("map", "start", "/run/mapper", "-S", "-c", CODE, f"{store_path('map', 1)}/conf")
    steps.add("strange", "start", "/run/stranger", "-S", "-c", CODE, f"{store_path('strange', 1)}/conf")
    steps.add("open", "start", "/bin/sh", "-c", f"exec 3< {store_path('open', 1)}/conf; {WAIT}")
    steps.add("stand", "start", "/bin/sh", "-c", f"cd {store_path('stand', 1)}/bin; {WAIT}")
    # Nix removes what is garbage to it even while somebody has it mapped.
    steps.add("", "shell", f"rm -r {store_path('map', 1)}")
    steps.add("", "program", "/bin/true")
    steps.add("before", "read", "domain_policy")
    steps.tomoyo("new", "activate", "--json", f"{SETS}/new")
    steps.tomoyo("status", "status", "--json", f"{SETS}/new")
    collected = ("nothing ended", "run", "map")
    for number, name in enumerate(collected):
        if number:
            steps.add("", "stop", str(number - 1))
        steps.tomoyo(f"{name}: gc -n", "gc", "--dry-run", "--json")
        steps.tomoyo(f"{name}: gc", "gc", "--json")
        steps.add(f"{name}: bindings", "read", "exception_policy")
        steps.add(f"{name}: domains", "read", "domain_policy")
    found = steps.run(kernel, files)
    assert (found["old"][0], found["new"][0]) == (0, 0), found["new"]
    mapped = {line for line in bindings(1, "map") if line.startswith("path_group ")}
    used = {"run": bindings(1, "run"), "map": mapped}
    outcome = json.loads(found["new"][1])["result"]
    # What nobody used is gone at once, and so is a domain that nobody was in.
    assert set(outcome["kept"]) == set().union(*used.values())
    assert outcome["left"] == ["<kernel> nix:/run/bin/app"]
    assert "domain_policy: delete <kernel> nix:/map/bin/app" in outcome["plan"]
    assert set(json.loads(found["status"][1])["result"]["stale_bindings"]) == set().union(*used.values())
    for name in collected:
        gone = used.pop(name, set())
        kept = set().union(*used.values())
        held = {line for line in found[f"{name}: bindings"].splitlines() if "/nix/store" in line}
        assert held == bindings(2) | kept, name
        dry, done = (json.loads(found[f"{name}: gc{option}"][1])["result"] for option in (" -n", ""))
        assert set(done["kept"]) == set(dry["kept"]) == kept, name
        assert {f"exception_policy: delete {line}" for line in gone} <= set(done["plan"]), name
        assert ("<kernel> nix:/run/bin/app" in found[f"{name}: domains"]) is ("run" in used), name
        # The one that the kernel made when a program ran, and that nobody is in.
        assert "/bin/true\n" not in found[f"{name}: domains"]
    assert "/bin/true\n" in found["before"]


def test_bindings_in_use_go_at_once_if_told(kernel: Kernel) -> None:
    domain = "<kernel> nix:/run/bin/app\nuse_profile 0\n\nfile read @nix:/run/conf\n\n"
    exceptions = "initialize_domain nix:/run/bin/app from any\n"
    files = policy_set("old", domain, exceptions, "".join(f"{line}\n" for line in sorted(bindings(1))))
    files |= policy_set("new", domain, exceptions, "".join(f"{line}\n" for line in sorted(bindings(2))))
    steps = Steps()
    path = store_path("run", 1)
    steps.add(
        "", "shell", f"mkdir -p /nix; mount -t tmpfs -o mode=755 tmpfs /nix; mkdir -p {path}/bin; cp /bin/dash {path}/bin/app"
    )
    steps.tomoyo("old", "activate", f"{SETS}/old")
    steps.add("", "start", f"{path}/bin/app", "-c", WAIT)
    steps.tomoyo("kept", "activate", "--json", f"{SETS}/new")
    steps.tomoyo("gc", "gc", "--now", "-v")
    steps.add("collected", "read", "exception_policy")
    steps.tomoyo("back", "activate", f"{SETS}/old")
    steps.tomoyo("now", "activate", "--now", "--json", f"{SETS}/new")
    steps.add("switched", "read", "exception_policy")
    found = steps.run(kernel, files)
    assert set(json.loads(found["kept"][1])["result"]["kept"]) == bindings(1, "run")
    assert found["gc"][0] == 0
    for name in ("collected", "switched"):
        assert {line for line in found[name].splitlines() if "/nix/store" in line} == bindings(2), name
    assert json.loads(found["now"][1])["result"]["kept"] == []


# With names

# Written by a step: the guest has a directory of its own for temporary files.
SAMPLE = "/run/sample"


def test_what_is_saved_with_names_compiles_and_changes_nothing(kernel: Kernel) -> None:
    closure = ["--closure-file", f"{SAMPLE}/system/registration", "--closure", "/nix/var/nix/profiles/system-1-link"]
    steps = Steps()
    steps.tomoyo("", "demo", "--write", SAMPLE)
    steps.add("", "shell", "mkdir -p /nix; mount -t tmpfs -o mode=755 tmpfs /nix")
    steps.add(
        "", "shell", f"cp -a {SAMPLE}/system/nix/. /nix/; cp -r {SAMPLE}/policy policy; cp share/files/manager.conf policy/"
    )
    steps.tomoyo("compile", "compile", "policy", "-o", "/run/set", *closure)
    steps.steps[-1][2] = "/run/policy"
    steps.tomoyo("activate", "activate", "/run/set")
    steps.tomoyo("save", "save", "--named", *closure, "/run/named")
    steps.add("", "shell", "cp share/files/manager.conf named/")
    steps.tomoyo("compile again", "compile", "/run/named", "-o", "/run/again", *closure)
    steps.tomoyo("activate again", "activate", "-v", "/run/again")
    steps.tomoyo("status", "status", "--json", "/run/again")
    steps.tomoyo("save all", "save", "/run/etc")
    steps.tomoyo("activate saved", "activate", "-v", "/run/etc/policy/current")
    steps.add("", "shell", "mv /run/etc/policy/[0-9]* /run/saved")
    steps.tomoyo("activate what was saved", "activate", "-v", "/run/saved")
    found = steps.run(kernel, {"manager.conf": MANAGER.encode()})
    for name in ("compile", "activate", "save", "compile again", "save all"):
        assert found[name][0] == 0, (name, found[name])
    assert found["activate again"] == [0, "", "tomoyo: note: nothing to do [activation]\n"]
    assert json.loads(found["status"][1])["result"]["drift"] == []
    assert found["activate saved"][0] == 2
    assert "a symbolic link" in found["activate saved"][2]
    assert found["activate what was saved"] == [0, "", "tomoyo: note: nothing to do [activation]\n"]


# From Python

DOCUMENTS = {"activation.py": "docs/explanation/activation.md", "vendored.py": "docs/how-to/vendor.md"}


def test_the_scripts_in_the_documents_activate_a_real_kernel(kernel: Kernel) -> None:
    files = policy_set("set", "<kernel> /run/x\nuse_profile 3\n\nfile read /run/y\n\n")
    for name, document in DOCUMENTS.items():
        script = (machine.ROOT / document).read_text().partition("activate.py -->\n```python\n")[2].partition("```")[0]
        assert len(script.splitlines()) <= 5
        files[name] = script.encode()
    steps = Steps()
    steps.add("", "shell", "mkdir -p share/files/program/vendor; ln -s $PYTHONPATH/tomoyo share/files/program/vendor/policy")
    for name in DOCUMENTS:
        steps.add(f"{name}: first", "program", MANAGER.strip(), "-S", name, f"{SETS}/set")
        steps.add(f"{name}: held", "read", "domain_policy")
        steps.add(f"{name}: again", "program", MANAGER.strip(), "-S", name, f"{SETS}/set")
        steps.add("", "write", "domain_policy", "delete <kernel> /run/x\n")
        steps.add(f"{name}: refused", "program", MANAGER.strip(), "-S", name, "/run/none")
    found = steps.run(kernel, files)
    for name in DOCUMENTS:
        status, output, messages = found[f"{name}: first"]
        assert (status, " lines written" in output + messages) == (0, True), found[f"{name}: first"]
        assert block(found[f"{name}: held"], "<kernel> /run/x") == ["file read /run/y", "use_profile 3"]
        status, output, messages = found[f"{name}: again"]
        assert (status, (output + messages).strip().partition(" [")[0]) == (0, "nothing to do")
        assert found[f"{name}: refused"][0] == 1
        assert "/run/none: no such file or directory" in found[f"{name}: refused"][2]
