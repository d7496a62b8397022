"""The command `suggest`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.work import work
from tomoyo.syntax.domain_policy import parse_domain_policy

from .command import Done, tomoyo
from .test_name import GLIBC, NGINX, PATH
from .test_name import folder as folder

LOG = Path(__file__).parents[1] / "data/records/audit.log"
RECORD = """\
#2026/11/24 08:{:02}:00# profile=3 mode=enforcing granted={} (global-pid=211) task={{ pid=211 ppid=129 uid=0 gid=0 euid=0 \
egid=0 suid=0 sgid=0 fsuid=0 fsgid=0 }}
{}
{}

"""
SHELL = "<kernel> /bin/sh"
PROFILE = "PROFILE_VERSION=20150505\n3-CONFIG={ mode=enforcing grant_log=no reject_log=yes }\n"
POLICY = f"{SHELL}\n# mine\nuse_profile 3\n\nfile read /etc/\\*\n\n<kernel> /x\nuse_profile 1\n"


def log(*requests: str, domain: str = SHELL, granted: str = "no") -> bytes:
    return "".join(RECORD.format(number, granted, domain, request) for number, request in enumerate(requests)).encode()


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "domain_policy.conf").write_text(POLICY)
    (tmp_path / "log").write_bytes(
        log("file read /etc/a", "file read /tmp/tmp.aB3dE6", "file write /b", "file write /tmp/tmp.aB3dE7")
    )
    return tmp_path


def suggest(*arguments: str | Path, stdin: bytes = b"") -> Done:
    return tomoyo("suggest", *arguments, stdin=stdin)


GENERAL = r"file read/write /tmp/tmp.\?\?\?\?\?\?"
SHOWN = f"""\
{SHELL}
use_profile 3

# 2 records, 2026/11/24 08:01:00 to 2026/11/24 08:03:00; by temporary, from file read /tmp/tmp.aB3dE6
{GENERAL}
# 1 record, 2026/11/24 08:02:00
file write /b
"""


def test_suggestions_are_policy(place: Path) -> None:
    done = suggest("--policy", place, place / "log")
    assert (done.status, done.output) == (0, SHOWN)
    (domain,) = parse_domain_policy(done.output)
    assert [str(entry) for entry in domain.entries] == [GENERAL, "file write /b"]


def test_without_a_policy_the_verdicts_of_the_records_count() -> None:
    done = suggest(stdin=log("file read /a") + log("file read /b", granted="yes"))
    assert done.output.splitlines()[-1] == "file read /a"
    assert "file read /b" not in done.output


def test_with_a_policy_what_it_does_not_grant_counts(place: Path) -> None:
    records = log("file read /etc/a", "file read /c", granted="yes") + log("file read /etc/a", domain="<other>", granted="yes")
    done = suggest("--policy", place, stdin=records)
    lines = [line for line in done.output.splitlines() if line and not line.startswith("#")]
    assert lines == [SHELL, "use_profile 3", "file read /c", "<other>", "use_profile 3", "file read /etc/a"]


def test_diff(place: Path) -> None:
    done = suggest("--policy", place, "--diff", place / "log")
    assert done.status == 0
    assert f"\n file read /etc/\\*\n+{GENERAL}\n+file write /b\n \n <kernel> /x\n" in done.output
    assert done.output.startswith(f"--- {place}/domain_policy.conf\n+++ ")
    assert (place / "domain_policy.conf").read_text() == POLICY


def test_in_place_and_then_nothing_is_left(place: Path) -> None:
    policy = place / "domain_policy.conf"
    policy.chmod(0o600)
    assert suggest("--policy", place, "--in-place", place / "log").output == ""
    assert policy.read_text() == POLICY.replace("/etc/\\*\n", f"/etc/\\*\n{GENERAL}\nfile write /b\n")
    assert policy.stat().st_mode & 0o777 == 0o600
    assert suggest("--policy", place, place / "log").output == ""
    assert tomoyo("replay", "--policy", place, "-q", place / "log").output == "4 denied then, granted now\n"


def test_in_place_follows_no_link(place: Path) -> None:
    policy = place / "domain_policy.conf"
    policy.rename(place / "other")
    policy.symlink_to("other")
    done = suggest("--policy", place, "--in-place", place / "log")
    assert (done.status, policy.read_text()) == (2, POLICY)
    assert "no regular file" in done.messages


def test_output(place: Path) -> None:
    assert suggest("--policy", place, "-o", place / "new", place / "log").status == 0
    assert suggest("-o", place / "only", place / "log").status == 0
    assert (place / "new").read_text().startswith(f"{SHELL}\n# mine\n")
    assert (place / "only").read_text() == f"{SHELL}\nuse_profile 3\n\nfile read /etc/a\n{GENERAL}\nfile write /b\n"


def test_json(place: Path) -> None:
    done = suggest("--policy", place, "--json", "--missing", place / "log")
    first, second = done.result
    assert first["entries"] == [first["general"]] == [GENERAL]
    assert (first["records"], first["first"], first["rules"]) == (2, "2026/11/24 08:01:00", ["temporary"])
    assert first["missing"] == ["/tmp/tmp.aB3dE6", "/tmp/tmp.aB3dE7"]
    assert (second["general"], second["exact"], second["complete"]) == (None, ["file write /b"], True)


def test_rules_and_filters(place: Path) -> None:
    done = suggest("--rule", "none", "--operation", "write", "--json", place / "log")
    assert [suggestion["entries"] for suggestion in done.result] == [
        ["file write /b"],
        ["file write /tmp/tmp.aB3dE7"],
    ]
    (place / "rules").write_text("rewrite path_pattern /tmp/\\* @TEMPORARY\n")
    assert "file read/write @TEMPORARY\n" in suggest("--rules", place / "rules", place / "log").output
    (place / "rules").write_text("rewrite path_pattern /\\{\\*\\}/\\*\n")
    refused = suggest("--rules", place / "rules", place / "log")
    assert refused.status == 2
    assert f"{place}/rules:1:" in refused.messages
    assert "there is no rule 'x' [usage]\nhelp: a rule is one of process, " in suggest("--rule", "x", place / "log").messages


def test_learned(place: Path) -> None:
    (place / "learned").write_text(f"{SHELL}\nuse_profile 1\n\nfile read proc:/4/x\n")
    done = suggest("--learned", place / "learned")
    assert done.output.endswith("# learned; by process, from file read proc:/4/x\nfile read proc:/\\$/x\n")


def test_what_was_learned_and_is_granted_already_is_left_out(place: Path) -> None:
    granted = 'file execute /bin/a exec.realpath="/bin/a" exec.argv[0]="a"'
    policy = f'{SHELL}\nuse_profile 3\n\nfile read/write /etc/\\*\nfile execute /bin/\\* exec.realpath="/bin/a"\n'
    policy += "file read /c task.uid=0\nfile symlink /s\nfile execute /bin/b exec.argc=1\nfile read/write /same\\* task.uid=1\n"
    (place / "domain_policy.conf").write_text(policy)
    lines = [
        "file read/write/unlink /etc/x",
        granted,
        'file execute /bin/b exec.realpath="/bin/b" exec.argv[0]="b"',
        "file read /c",
    ]
    lines += ['file symlink /s symlink.target="x"', "file read /d\\*", "file read @group"]
    lines += ["file read/write/append /same\\* task.uid=1"]
    (place / "learned").write_text(f"{SHELL}\nuse_profile 1\n\n" + "".join(f"{line}\n" for line in lines))
    done = suggest("--policy", place, "--rule", "none", "--learned", place / "learned")
    assert [line for line in done.output.splitlines()[2:] if line and line[0] != "#"] == [
        "file unlink /etc/x",
        lines[2],
        "file read /c",
        "file read /d\\*",
        "file read @group",
        "file append /same\\* task.uid=1",
    ]


def test_the_policy_of_the_kernel(place: Path) -> None:
    """Its interface files stand in a folder here; the test in a machine asks a real one."""
    for name, text in (("domain_policy", POLICY), ("exception_policy", ""), ("profile", PROFILE)):
        (place / name).write_text(text)
    assert suggest("--kernel", "--interface", place, place / "log").output == SHOWN
    done = suggest("--kernel", "--interface", place / "none", place / "log")
    assert (done.status, done.output) == (3, "")
    assert suggest("--kernel", "--policy", place, place / "log").status == 2


@pytest.mark.parametrize(
    "arguments",
    [("--diff",), ("--in-place",), ("--state", "x", "LOG"), ("--interactive",), ("--interactive", "-"), ("none",), ("-", "-")],
)
def test_wrong_arguments(arguments: tuple[str, ...]) -> None:
    done = suggest(*arguments)
    assert done.status == 2
    assert "error:" in done.messages


def test_broken_records_are_skipped_and_counted() -> None:
    broken = b"\xff\0garbage\n\n" * 30
    done = suggest(stdin=broken + log("file read /a") + LOG.read_bytes()[:100])
    assert done.status == 0
    assert done.output.endswith("file read /a\n")
    assert "31 broken records were skipped" in done.messages
    assert done.messages.count("is broken, and skipped") == 10


# Asking


def ask(place: Path, answers: str, *more: str | Path) -> Done:
    return suggest("--interactive", "--policy", place, place / "log", *more, stdin=answers.encode())


def test_allow_and_edit(place: Path) -> None:
    done = ask(place, "a\ne file write /b\\*\n", "--diff")
    assert "+file read /tmp/tmp.aB3dE6\n+file write /tmp/tmp.aB3dE7\n+file write /b\\*\n" in done.output
    assert f"general: {GENERAL}" in done.messages


def test_what_is_quit_is_taken_up_again(place: Path) -> None:
    state = place / "state"
    first = ask(place, "x\nd\nu\ng\nq\n", "--state", state)
    assert first.output.splitlines()[-1] == GENERAL
    assert "is no answer: [a]llow" in first.messages
    second = ask(place, "e\nraed /b\ne\nfile write /b\n", "--state", state, "--in-place")
    assert "general:" not in second.messages
    assert "error: no entry" in second.messages
    assert f"{GENERAL}\nfile write /b\n" in (place / "domain_policy.conf").read_text()
    assert ask(place, "", "--state", state).messages == "tomoyo: note: " + (
        f"{place} has no profile.conf: the answers are those of the entries alone [answers]\n"
    )


def test_a_state_that_is_none(place: Path) -> None:
    for text in ("{", "[]", '{"version": 1}', "\u00e4"):
        (place / "state").write_text(text)
        done = ask(place, "a\n", "--state", place / "state")
        assert done.status == 2
        assert f"{place}/state" in done.messages


def test_control_characters_do_not_reach_a_terminal(place: Path) -> None:
    (place / "log").write_bytes(log("file read /b\\033[2J"))
    done = ask(place, "a\n")
    assert "\033" not in done.messages + done.output


# Names


def test_names(folder: Path) -> None:
    records = log(f"file read {GLIBC}/lib/libc.so.6", f"file execute {PATH}/bin/nginx", domain=f"<kernel> {PATH}/bin/nginx")
    records += log(f"file read {GLIBC}/lib/libc.so.6", domain=f"<kernel> {NGINX}/bin/nginx")
    done = suggest("--root", folder / "root", "--closure-file", folder / "closure", stdin=records)
    assert done.status == 0
    lines = [line for line in done.output.splitlines() if not line.startswith("#")]
    assert lines[0] == "<kernel> nix:/nginx/bin/nginx"
    assert "file read @nix:/glibc/lib/libc.so.6" in lines
    assert "file execute nix:/nginx/bin/nginx" in lines
    assert lines.count("file read @nix:/glibc/lib/libc.so.6") == 1
    assert "# 2 records" in done.output


@pytest.mark.parametrize("request_of", [lambda n: f"file read /srv/{n % 50}/x", lambda n: f"file read /srv/{n}/x"])
def test_a_long_log_takes_linear_time(tmp_path: Path, request_of: Callable[[int], str]) -> None:
    """Whether its requests repeat, or each is another."""
    path = tmp_path / "log"

    def lines(records: int) -> int:
        path.write_bytes(log(*map(request_of, range(records))))
        return work(lambda: suggest(path))

    lines(10)  # so that all is imported
    assert lines(800) < 8.8 * lines(100)


def test_a_compiled_set_is_not_edited(place: Path) -> None:
    (place / "manifest.json").write_text("{}")
    before = (place / "domain_policy.conf").read_text()
    done = suggest("--policy", place, "--in-place", place / "log")
    assert (done.status, done.output) == (2, "")
    assert "put what --diff shows into its policy source, and compile that" in done.messages
    assert (place / "domain_policy.conf").read_text() == before
    assert suggest("--policy", place, "--diff", place / "log").status == 0
