"""Lint of policy sources and of names: used in the wrong way, or unknown to a closure."""

from __future__ import annotations

from pathlib import Path

import pytest

from tomoyo.model.diagnostics import Diagnostic
from tomoyo.nix.names.names import NameTable
from tomoyo.nix.source.library import read_sources
from tomoyo.nix.source.lint import lint_names, policy_texts
from tomoyo.nix.store.closure_formats import parse_listing
from tomoyo.nix.store.tree import Tree
from tomoyo.syntax.policy_text import TextKind

from .sources import write_source
from .test_compile import POLICY, generation, write_store

CODES = ("misplaced-name", "unresolved-name")


def judged(folder: Path, names: NameTable | None = None, tree: Tree | None = None) -> list[Diagnostic]:
    """What lint finds in the policy source in FOLDER, of names alone."""
    return lint_names(policy_texts(read_sources([folder])), names, tree, codes=CODES)


def shown(findings: list[Diagnostic]) -> list[tuple[str, str, int, int]]:
    """Code, file, line and column."""
    return [(finding.code, Path(finding.place.file).name, finding.place.line, finding.place.column) for finding in findings]


@pytest.mark.parametrize(
    ("line", "remedy"),
    [
        ("file read nix:/web/x", "@nix:/web/x"),
        ("file read/write nix:/web/x", "@nix:/web/x"),
        ("file execute @nix:/web/bin/x", "nix:/web/bin/x"),
        ('file execute nix:/web/bin/x exec.realpath="nix:/web/bin/x"', "@nix:/web/bin/x"),
    ],
)
def test_a_name_where_it_never_matches(tmp_path: Path, line: str, remedy: str) -> None:
    source = write_source(
        tmp_path / "source", domains__web=f"<kernel> nix:/web/bin/web\nuse_profile 3\nuse_group m\n{line}", modules__m=line
    )
    found = judged(source)
    assert {each[:3] for each in shown(found)} == {("misplaced-name", "web.conf", 4), ("misplaced-name", "m.conf", 1)}
    assert {finding.help for finding in found} == {f"write {remedy}"}
    for finding in found:
        assert line[finding.place.column - 1 :].startswith(finding.message.partition(":")[0][0])


@pytest.mark.parametrize(
    "line",
    [
        "file read @nix:/web/x",
        "file execute nix:/web/bin/x",
        "file execute nix:/web/bin/x exec.realpath=@nix:/web/bin/x",
        "file symlink /srv/x symlink.target=@nix:/web/x",
        "misc env nix:/web/x",
    ],
)
def test_a_name_where_it_belongs(tmp_path: Path, line: str) -> None:
    source = write_source(tmp_path / "source", domains__web=f"<kernel> nix:/web/bin/web\nuse_profile 3\n{line}")
    assert judged(source) == []


def test_a_closure_knows_what_there_is(tmp_path: Path) -> None:
    tree = Tree(str(write_store(tmp_path / "root", generation("a"))))
    names = NameTable(parse_listing((tmp_path / "root" / "store-paths").read_text()))
    source = write_source(tmp_path / "source", **POLICY)
    assert judged(source, names, tree) == []
    wrong = {
        **POLICY,
        "domains__more": "<kernel> nix:/nginx/bin/nginx\nfile read @nix:/nginx/conf/mime\nfile execute nix:/bsh/bin/sh",
    }
    found = judged(write_source(tmp_path / "wrong", **wrong), names, tree)
    assert shown(found) == [("unresolved-name", "more.conf", 2, 11), ("unresolved-name", "more.conf", 3, 14)]


def test_the_profiles_are_those_that_compile_takes(tmp_path: Path) -> None:
    source = write_source(
        tmp_path / "source", domains__a="<kernel> /a\nuse_profile 3", exceptions__b="<b> acl_group 1 file read /a"
    )
    texts = policy_texts(read_sources([source]))
    assert [text.kind for text in texts] == [TextKind.DOMAIN, TextKind.EXCEPTION, TextKind.PROFILE]
    assert {finding.code for finding in lint_names(texts)} == {"enforced-without-entries", "never-entered", "unused-acl-group"}
    own = write_source(tmp_path / "own", domains__a="<kernel> /a\nuse_profile 3", profile="3-CONFIG={ mode=learning }")
    assert {finding.code for finding in lint_names(policy_texts(read_sources([own])))} == set()


def test_the_policy_that_compile_is_tested_with_has_no_faults(tmp_path: Path) -> None:
    source = write_source(tmp_path / "source", **POLICY)
    found = lint_names(policy_texts(read_sources([source])))
    assert [str(finding) for finding in found if finding.severity.value != "note"] == []
