"""The commands that work on policy files: check, fmt, select and stat."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tomoyo.cli import COMMANDS

from .command import tomoyo

POLICY = """\
<kernel> /usr/sbin/sshd
use_profile 3
use_group 1

file write/read /etc/shadow
file read /etc/hosts

<kernel> /usr/sbin/sshd /bin/bash
use_profile 1

misc env PATH

<kernel> /sbin/init
use_profile 0

"""
CANONICAL = POLICY.replace("write/read", "read/write").replace("use_profile 0\n\n", "use_profile 0\n\n\n")
BROKEN = "<kernel> /a\nfile readx /b\nfile read /c\nnonsense\n"


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    path = tmp_path / "domain_policy.conf"
    path.write_text(POLICY)
    return path


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    path = tmp_path / "domain_policy.broken"
    path.write_text(BROKEN)
    return path


def test_check_counts_what_is_fine(policy: Path) -> None:
    done = tomoyo("check", policy)
    assert (done.status, done.messages) == (0, "")
    assert done.output == f"{policy}: ok, 3 domains, 3 entries\n"
    assert tomoyo("check", "-q", policy).output == ""


def test_check_tells_every_error_with_its_place(policy: Path, broken: Path) -> None:
    done = tomoyo("check", policy, broken)
    assert done.status == 1
    assert done.output.endswith(f"{broken}: 2 errors, 1 domain, 1 entry\n")
    assert done.messages.split("\n") == [
        f"{broken}:2:6: error: the kernel reads only read: 'readx' [altered-line]",
        f"    {broken.read_text().splitlines()[1]}",
        "         ^",
        "help: did you mean 'read'?",
        f"{broken}:4:1: error: not an entry: 'nonsense' [dropped-line]",
        "    nonsense",
        "    ^",
        "help: write file, network inet, network unix, misc env or task manual_domain_transition",
        "",
    ]


def test_check_as_json(broken: Path) -> None:
    done = tomoyo("check", "--json", broken)
    assert done.status == 1
    first, second = done.diagnostics
    assert first == {
        "severity": "error",
        "code": "altered-line",
        "message": "the kernel reads only read: 'readx'",
        "help": "did you mean 'read'?",
        "place": {"file": str(broken), "line": 2, "column": 6, "text": broken.read_text().splitlines()[1]},
        "subject": "readx",
        "related": [],
    }
    assert (second["place"]["line"], second["code"]) == (4, "dropped-line")
    assert done.result == [{"file": str(broken), "kind": "domain", "errors": 2}]
    assert done.messages == ""


@pytest.mark.parametrize(
    ("kind", "line", "place", "message"),
    [
        ("domain", "file read /proc/meminfo", "2:11", "help: proc:/meminfo"),
        ("domain", "file read/getattr\t/dev/pts/\\$", "2:19", "help: devpts:/\\$"),
        ("domain", "file write sysfs:/kernel/\\*", "2:12", "help: /sys/kernel/\\*"),
        ("domain", "file rename /a /sys/kernel/debug/x", "2:16", "help: debugfs:/x"),
        ("domain", "file read cgroup:/x", "2:11", "calls files of cgroup by their path"),
        ("domain", 'file execute /a exec.realpath="/proc/1/exe"', "2:32", "help: write the real path of the program"),
        ("exception", "path_group g /proc/meminfo", "2:14", "help: proc:/meminfo"),
        ("exception", "aggregator /proc/self/fd/\\$ /b", "2:12", "help: proc:/self/fd/\\$"),
        ("exception", "acl_group 1 file read /proc/meminfo", "2:23", "help: proc:/meminfo"),
        ("exception", "initialize_domain /proc/self/exe from any", "2:19", "help: proc:/self/exe"),
        ("exception", "path_group g @h", "2:14", "a group cannot hold a group"),
        ("exception", "number_group g @h", "2:16", "a group cannot hold a group"),
        ("exception", "address_group g @h", "2:17", "a group cannot hold a group"),
    ],
)
def test_check_tells_what_the_kernel_never_asks_for(tmp_path: Path, kind: str, line: str, place: str, message: str) -> None:
    path = tmp_path / f"{kind}_policy.conf"
    path.write_text(("<kernel> /a\n" if kind == "domain" else "path_group h /x\n") + f"{line}\n")
    done = tomoyo("check", path)
    assert done.status == 1
    assert done.messages.startswith(f"{path}:{place}: error: ")
    assert message in done.messages
    assert f"{path}: 1 error, " in done.output
    (found,) = tomoyo("check", "--json", path).diagnostics
    assert f"{found['place']['line']}:{found['place']['column']}" == place
    assert found["code"] in ("never-asked", "useless-line", "dropped-line")


def test_check_warns_of_a_pattern_that_is_a_word(tmp_path: Path) -> None:
    path = tmp_path / "exception_policy.conf"
    path.write_text("initialize_domain /opt/\\* from any\n")
    done = tomoyo("check", path)
    assert (done.status, done.messages.startswith(f"{path}:1:19: warning: ")) == (0, True)
    path.write_text("# lint: allow literal-pattern: entries have it\ninitialize_domain /opt/\\* from any\n")
    assert tomoyo("check", path).messages == ""


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("exception_policy.conf", "aggregator /a /b\n"),
        ("profile.conf", "PROFILE_VERSION=20150505\n"),
        ("manager.conf", "/usr/sbin/tomoyo-editpolicy\n"),
        ("stat.conf", "Memory used by policy: 1000\n"),
        ("domain_policy", "<kernel>\n"),
        ("my.exception_policy.old", "path_group a /b\n"),
    ],
)
def test_the_kind_is_guessed_from_the_name(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    for command in ("check", "stat", "fmt"):
        assert tomoyo(command, tmp_path / name).status == 0


@pytest.mark.parametrize("arguments", [["policy.txt"], ["-"], [], ["domain_policy.profile"]])
def test_a_kind_that_cannot_be_guessed_must_be_given(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in arguments:
        (tmp_path / name).touch()
    done = tomoyo("check", *arguments)
    assert done.status == 2
    assert "say so with --kind domain|exception|module|numbers|profile|manager|stat" in done.messages


@pytest.mark.parametrize("command", ["check", "fmt", "stat", "bind", "lint"])
def test_what_is_not_there_is_of_no_kind(command: str, tmp_path: Path) -> None:
    for name, reason in (("missing", "no such file"), ("", "the name of a file is empty"), (".", "no policy in this directory")):
        done = tomoyo(command, *(["--all-programs"] if command == "bind" else []), f"{tmp_path}/{name}" if name else "")
        assert done.status == 2
        assert reason in done.messages
        assert "kind" not in done.messages


@pytest.mark.parametrize("folder", ["missing", "file"])
def test_of_what_cannot_be_written_the_name_is_told_that_was_given(folder: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "domain_policy.conf").write_text("<kernel>\nuse_profile 0\n")
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "profile.conf").write_text("0-CONFIG={ mode=disabled }\n")
    output = tmp_path / folder / "output"
    closure = ["--closure-file", tmp_path / "file", "-o", output]
    for command in (
        ["bind", "--all-programs", *closure],
        ["name", tmp_path / "domain_policy.conf", *closure],
        ["compile", tmp_path / "source", *closure],
        ["suggest", "--policy", tmp_path, "-o", output],
        ["audit", "--output", output, "-"],
    ):
        done = tomoyo(*command)
        assert done.status in (2, 3)
        assert f"{output.parent}" in done.messages
        assert ".tomoyo-" not in done.messages


def test_options_may_stand_between_files(policy: Path, broken: Path) -> None:
    done = tomoyo("check", policy, "--json", broken)
    assert done.status == 1
    assert [error["place"]["file"] for error in done.diagnostics] == [str(broken)] * 2


@pytest.mark.parametrize("command", ["stat", "select", "suggest"])
def test_an_error_is_told_at_its_place(command: str, broken: Path) -> None:
    options = {"select": ["--name", "x"], "suggest": ["--learned"]}.get(command, [])
    done = tomoyo(command, *options, broken)
    assert done.status == 2
    assert done.messages.startswith(f"{broken}:2:6: error: the kernel reads only read: 'readx'")


def test_standard_input(policy: Path) -> None:
    done = tomoyo("fmt", "--kind", "domain", stdin=POLICY.encode())
    assert (done.status, done.output) == (0, CANONICAL)
    done = tomoyo("check", "--kind", "domain", "-", stdin=BROKEN.encode())
    assert done.messages.startswith("<stdin>:2:6: error: ")


def test_fmt_prints_canonical_text(policy: Path) -> None:
    done = tomoyo("fmt", policy)
    assert (done.status, done.output, done.messages) == (0, CANONICAL, "")


def test_fmt_prints_nothing_where_anything_is_wrong(policy: Path, broken: Path) -> None:
    done = tomoyo("fmt", policy, broken)
    assert (done.status, done.output) == (2, "")
    assert done.messages.count(": error: ") == 2


def test_fmt_keeps_comments_byte_by_byte() -> None:
    text = "# größe\n\n# über sh\n<kernel>\nuse_profile 0\n\n# a b\nfile read /a\n\nfile read /b\n# unten\n\n"
    done = tomoyo("fmt", "--kind", "domain", stdin=text.encode())
    assert (done.status, done.output, done.messages) == (0, text, "")
    assert tomoyo("fmt", "--check", "--kind", "domain", stdin=text.encode()).status == 0


def test_fmt_as_kernel_warns_of_what_is_dropped_or_altered(broken: Path) -> None:
    done = tomoyo("fmt", "--as-kernel", broken)
    assert done.status == 0
    assert done.output == "<kernel>\nuse_profile 0\n\n\n<kernel> /a\nuse_profile 0\n\nfile read /b\nfile read /c\n\n"
    assert done.messages.count(": warning: ") == 2
    assert done.messages.startswith(f"{broken}:2:6: warning: the kernel reads only read: 'readx'")


def test_fmt_check_tells_whether_text_is_canonical(policy: Path) -> None:
    done = tomoyo("fmt", "--check", policy)
    assert (done.status, done.output) == (1, "")
    assert f"tomoyo fmt -i {policy}" in done.messages
    policy.write_text(CANONICAL)
    done = tomoyo("fmt", "--check", policy)
    assert (done.status, done.output, done.messages) == (0, "", "")


def test_fmt_in_place_replaces_the_file_and_keeps_its_mode(policy: Path) -> None:
    policy.chmod(0o640)
    before = policy.stat().st_ino
    assert tomoyo("fmt", "-i", policy).status == 0
    assert policy.read_text() == CANONICAL
    assert stat.S_IMODE(policy.stat().st_mode) == 0o640
    assert policy.stat().st_ino != before
    assert os.listdir(policy.parent) == [policy.name]
    before = policy.stat().st_ino
    assert tomoyo("fmt", "-i", policy).status == 0
    assert policy.stat().st_ino == before


def test_fmt_in_place_replaces_nothing_where_it_would_lose_something(policy: Path, broken: Path, tmp_path: Path) -> None:
    assert tomoyo("fmt", "-i", policy, broken).status == 2
    assert policy.read_text() == POLICY
    assert broken.read_text() == BROKEN
    assert tomoyo("fmt", "-i", "--kind", "domain", stdin=POLICY.encode()).status == 2


def test_fmt_in_place_keeps_comments(policy: Path) -> None:
    policy.write_bytes(b"# \xff mine\n" + POLICY.encode())
    assert tomoyo("fmt", "-i", policy).status == 0
    assert policy.read_bytes() == b"# \xff mine\n" + CANONICAL.encode()


def test_fmt_in_place_follows_no_link(policy: Path, tmp_path: Path) -> None:
    link = tmp_path / "domain_policy.link"
    link.symlink_to(policy)
    done = tomoyo("fmt", "-i", link)
    assert done.status == 2
    assert "no regular file" in done.messages
    assert policy.read_text() == POLICY


def test_fmt_sort(policy: Path) -> None:
    done = tomoyo("fmt", "--sort", policy)
    names = [line for line in done.output.split("\n") if line.startswith("<")]
    assert names == ["<kernel> /sbin/init", "<kernel> /usr/sbin/sshd", "<kernel> /usr/sbin/sshd /bin/bash"]
    assert done.output.index("file read /etc/hosts") < done.output.index("file read/write /etc/shadow")


def test_fmt_as_json(policy: Path) -> None:
    domains = tomoyo("fmt", "--json", policy).result["domains"]
    assert [domain["name"] for domain in domains][1] == "<kernel> /usr/sbin/sshd /bin/bash"
    assert domains[0]["groups"] == [1]
    assert domains[0]["entries"][0] == {
        "text": "file read/write /etc/shadow",
        "kind": "path",
        "operations": ["read", "write"],
        "arguments": {"path": "/etc/shadow"},
        "condition": None,
    }


@pytest.mark.parametrize(
    ("options", "names"),
    [
        (["--name", "<kernel> /usr/sbin/sshd"], ["<kernel> /usr/sbin/sshd"]),
        (["--name", "/bin/bash"], ["<kernel> /usr/sbin/sshd /bin/bash"]),
        (["--name", "<kernel> /usr/sbin/sshd", "-r"], ["<kernel> /usr/sbin/sshd", "<kernel> /usr/sbin/sshd /bin/bash"]),
        (["--name", "/usr/sbin/sshd", "--name", "/sbin/init"], ["<kernel> /usr/sbin/sshd", "<kernel> /sbin/init"]),
        (["--prefix", "<kernel> /s"], ["<kernel> /sbin/init"]),
        (["--glob", "*/s*"], ["<kernel> /usr/sbin/sshd", "<kernel> /usr/sbin/sshd /bin/bash", "<kernel> /sbin/init"]),
        (["--glob", "* /sbin/*"], ["<kernel> /sbin/init"]),
        (["--prefix", "<kernel> /x"], []),
        (["--glob", "bash", "--recursive"], []),
    ],
)
def test_select(policy: Path, options: list[str], names: list[str]) -> None:
    done = tomoyo("select", policy, *options)
    assert [line for line in done.output.split("\n") if line.startswith("<")] == names
    assert done.status == (0 if names else 1)
    assert tomoyo("select", "--json", policy, *options).result == [
        domain for domain in tomoyo("fmt", "--json", policy).result["domains"] if domain["name"] in names
    ]


@pytest.mark.parametrize(
    ("name", "similar"),
    [
        ("<kernel>", ""),
        ("<kernel> /usr/sbin/ssh", "<kernel> /usr/sbin/sshd"),
        ("<kernel> /usr/sbin/sshd /bin/bsh", "<kernel> /usr/sbin/sshd /bin/bash"),
        ("<kernal> /usr/sbin/sshd", "<kernel> /usr/sbin/sshd"),
        ("<kernel> /opt/sbin/init", "<kernel> /sbin/init"),
        ("bash", "/bin/bash"),
        ("/usr/sbin/sshdd", "/usr/sbin/sshd"),
    ],
)
def test_select_a_name_that_no_domain_has(policy: Path, name: str, similar: str) -> None:
    for options in ([], ["--name", "/sbin/init"]):
        done = tomoyo("select", policy, "--name", name, *options)
        assert (done.status, done.output) == (2, "")
        assert f"'{name}'" in done.messages
        assert (f"did you mean '{similar}'" in done.messages) is bool(similar)


def test_select_what_a_kernel_would_create(policy: Path) -> None:
    done = tomoyo("select", policy, "--as-created", "--name", "<kernel> /usr/sbin/sshd /x /y")
    assert (done.status, done.output) == (0, "<kernel> /usr/sbin/sshd /x /y\nuse_profile 3\nuse_group 1\n\n\n")
    assert tomoyo("select", policy, "--as-created", "--name", "<other> /x").status == 2


def test_select_wants_to_know_which(policy: Path) -> None:
    done = tomoyo("select", policy)
    assert done.status == 2
    assert "--name, --prefix or --glob" in done.messages


def test_stat_counts(policy: Path) -> None:
    done = tomoyo("stat", policy)
    assert done.status == 0
    rows = {line.strip().rpartition(" ")[0].strip(): line.split()[-1] for line in done.output.splitlines()[1:]}
    assert rows["domains"] == "3"
    assert rows["domains with profile 3"] == "1"
    assert rows["entries for file read"] == "2"
    (found,) = tomoyo("stat", "--json", policy).result
    assert found["domains with profile"] == {"0": 1, "1": 1, "3": 1}


def test_stat_of_what_a_kernel_reported() -> None:
    report = b"Policy update:          7 (Last: 2026/11/24 02:45:35)\nTotal memory used:         64\n"
    (found,) = tomoyo("stat", "--kind", "stat", "--json", stdin=report).result
    assert found["counters"] == {"update": 7}
    assert found["total memory"] == 64


def test_unusable_input_ends_with_2(tmp_path: Path, broken: Path) -> None:
    missing = tmp_path / "domain_policy.missing"
    done = tomoyo("check", missing)
    assert done.status == 2
    assert done.messages.startswith(f"{missing}: error: no such file or directory [wrong-path]\n")
    assert tomoyo("check", "--kind", "domain", tmp_path).status == 2
    assert tomoyo("stat", broken).status == 2
    assert tomoyo("select", broken, "--name", "/a").status == 2
    assert tomoyo("check", "--no-such-option").status == 2


def test_help_and_version() -> None:
    assert tomoyo("--version").output.startswith("tomoyo 0.")
    listing = tomoyo("--help").output
    for command in COMMANDS:
        assert f"\n  {command} " in listing
        done = tomoyo(command, "--help")
        assert done.status == 0
        assert done.output.startswith(f"usage: tomoyo {command} ")
    assert tomoyo().status == 2
    done = tomoyo("chekc")
    assert done.status == 2
    assert "did you mean 'check'?" in done.messages


def test_names_with_control_characters_reach_no_terminal(tmp_path: Path) -> None:
    path = tmp_path / "domain_policy\x1b[2J.conf"
    path.write_text(BROKEN)
    done = tomoyo("check", path)
    assert "\x1b" not in done.messages + done.output
    assert "domain_policy\\x1b[2J.conf:2:6: error:" in done.messages


def test_a_closed_pipe_is_no_traceback(policy: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run([sys.executable, "-m", "tomoyo", "fmt", policy], stdout=writing, stderr=subprocess.PIPE, check=False)
    os.close(writing)
    assert (done.returncode, done.stderr) == (2, b"")


def test_bytes_of_any_kind_are_reported(tmp_path: Path) -> None:
    path = tmp_path / "domain_policy.conf"
    path.write_bytes(bytes(range(256)) * 100)
    done = tomoyo("check", path)
    assert done.status == 1
    assert done.messages.isascii()
