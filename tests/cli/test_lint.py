"""The command `lint`: what it reads, what it prints and how it ends."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.nix.sources import write_source
from tests.sample import SAMPLE
from tomoyo.lint.codes import LINT_CODES

from .command import tomoyo

BROAD = """\
<kernel> /bin/web
use_profile 3
file read /etc/\\{\\*\\}/\\*
network inet stream connect 0.0.0.0-255.255.255.255 0-65535
"""


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    """A domain policy with a warning and a note."""
    path = tmp_path / "domain_policy.conf"
    path.write_text(BROAD)
    return path


def test_a_finding_has_a_place_a_reason_and_a_remedy(policy: Path) -> None:
    done = tomoyo("lint", policy)
    assert done.status == 1
    assert done.messages == ""
    assert done.output == (
        f"{policy}:3:11: warning: /etc/\\{{\\*\\}}/\\* is everything below /etc [whole-tree]\n"
        "    file read /etc/\\{\\*\\}/\\*\n"
        "              ^\n"
        "help: name the directories below that you mean\n"
        "1 warning, 1 note; --severity note shows 1 more\n"
    )


@pytest.mark.parametrize(
    ("options", "codes", "status"),
    [
        (["--severity", "note"], ["whole-tree", "any-network"], 1),
        (["--severity", "error"], [], 1),
        (["--fail-on", "error"], ["whole-tree"], 0),
        (["--fail-on", "never"], ["whole-tree"], 0),
        (["--allow", "whole-tree", "--fail-on", "note"], [], 1),
        (["--allow", "whole-tree"], [], 0),
        (["--allow", "whole-tree,any-network", "--fail-on", "note"], [], 0),
        (["--only", "any-network", "--severity", "note"], ["any-network"], 0),
    ],
)
def test_what_is_shown_and_what_counts(policy: Path, options: list[str], codes: list[str], status: int) -> None:
    done = tomoyo("lint", policy, "--json", *options)
    assert [finding["code"] for finding in done.diagnostics] == codes
    assert done.status == status


def test_json_has_all_of_a_finding(policy: Path) -> None:
    done = tomoyo("lint", "--json", policy)
    assert done.diagnostics == [
        {
            "code": "whole-tree",
            "severity": "warning",
            "message": "/etc/\\{\\*\\}/\\* is everything below /etc",
            "help": LINT_CODES["whole-tree"].remedy,
            "place": {"file": str(policy), "line": 3, "column": 11, "text": "file read /etc/\\{\\*\\}/\\*"},
            "subject": "file read /etc/\\{\\*\\}/\\*",
            "related": [],
        }
    ]
    assert done.result == {"counts": {"error": 0, "warning": 1, "note": 1}}


def test_standard_input_needs_a_kind() -> None:
    assert tomoyo("lint", "-", stdin=b"<kernel>\n").status == 2
    done = tomoyo("lint", "-", "--kind", "domain", stdin=BROAD.encode())
    assert done.status == 1
    assert done.output.startswith("<stdin>:3:11: warning: ")


def test_a_source_is_read_with_its_modules_and_the_default_profiles(tmp_path: Path) -> None:
    source = write_source(
        tmp_path / "source",
        domains__web="<kernel> nix:/web/bin/web\nuse_profile 3\nuse_group base\nuse_group bas\nfile read /srv/x",
        modules__base="file read /srv/\\*\nfile read nix:/web/x",
        exceptions__web="initialize_domain nix:/web/bin/web from any",
    )
    done = tomoyo("lint", source, "--json")
    found = {(Path(each["place"]["file"]).name, each["place"]["line"], each["code"]) for each in done.diagnostics}
    assert found == {("web.conf", 4, "undefined-module"), ("web.conf", 5, "shadowed"), ("base.conf", 2, "misplaced-name")}
    assert done.status == 1


def test_sources_are_judged_together(tmp_path: Path) -> None:
    library = write_source(tmp_path / "library", modules__ours="file read /a")
    own = write_source(tmp_path / "own", domains__web="<kernel> /bin/web\nuse_profile 3\nuse_group ours")
    assert tomoyo("lint", own).status == 1
    assert tomoyo("lint", library, own).status == 0


def test_a_set_is_read_with_its_bindings(tmp_path: Path) -> None:
    arguments = ["--root", str(SAMPLE / "system"), "--closure-file", str(SAMPLE / "system" / "registration")]
    arguments += ["--closure", "/nix/var/nix/profiles/system-1-link"]
    assert tomoyo("compile", SAMPLE / "policy", "-o", tmp_path / "set", "-q", *arguments).status == 0
    done = tomoyo("lint", tmp_path / "set", "--severity", "note", "--json")
    assert {finding["code"] for finding in done.diagnostics} <= {"manager-broad", "idle-control"}


def test_a_closure_tells_of_names_that_nothing_has(tmp_path: Path) -> None:
    source = write_source(tmp_path / "source", domains__notes="<kernel>\nuse_profile 0\nfile read @nix:/notes/share/notes/hlp")
    closure = ["--root", str(SAMPLE / "system"), "--closure-file", str(SAMPLE / "system" / "registration")]
    assert tomoyo("lint", source).status == 0
    done = tomoyo("lint", source, *closure)
    assert done.status == 1
    assert "domains/notes.conf:3:11: error: @nix:/notes/share/notes/hlp: " in done.output
    assert "[unresolved-name]" in done.output


def test_codes_are_listed_and_explained() -> None:
    listed = tomoyo("lint", "--list")
    assert listed.status == 0
    assert [line.split()[0] for line in listed.output.splitlines()] == list(LINT_CODES)
    assert {each["code"] for each in tomoyo("lint", "--list", "--json").result} == set(LINT_CODES)
    explained = tomoyo("lint", "--explain", "store-write")
    assert explained.status == 0
    assert explained.output.startswith("store-write (error): ")
    assert LINT_CODES["store-write"].remedy in explained.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "say what to judge"),
        (["--explain", "whole-tre"], "did you mean 'whole-tree'?"),
        (["--allow", "x", "-"], "there is no code 'x'"),
        (["/nonexistent.conf"], "no such file"),
        (["/nonexistent/domain_policy.conf"], "no such file"),
        (["--kind", "domain", "/nonexistent.conf"], "no such file"),
    ],
)
def test_what_cannot_be_used_is_told(arguments: list[str], message: str) -> None:
    done = tomoyo("lint", *arguments)
    assert done.status == 2
    assert message in done.messages
    assert done.output == ""


def test_a_folder_without_policy_is_no_source(tmp_path: Path) -> None:
    (tmp_path / "x.conf").write_text("")
    done = tomoyo("lint", tmp_path)
    assert done.status == 2
    assert "no policy in this directory" in done.messages


def test_control_characters_are_not_printed(tmp_path: Path) -> None:
    path = tmp_path / "domain_policy.conf"
    path.write_bytes(b"<kernel> /a\nuse_profile 0\nfile \x1b[31mread /a\n")
    done = tomoyo("lint", path)
    assert done.status == 1
    assert "\x1b" not in done.output
