"""Where commands write: every option that names a place is refused, as root, where another user could turn it elsewhere.

Each command writes below a directory that a case has prepared; what is outside must be as it was, whatever the command says.
"""

from __future__ import annotations

import codecs
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tomoyo.query.rules import parse_query_rules
from tomoyo.query.rules_file import prepend_rule
from tomoyo.sets.trusted_files import UnsafeFile
from tomoyo.simulation.simulated_kernel import SimulatedKernel

from .command import tomoyo
from .test_save import CLOSURE, SAMPLE, put_interface

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")

USER = 1000
POLICY = "<kernel>\nuse_profile 0\n\nfile write/read /x\n\n"
RECORD = """\
#2026/11/24 08:00:00# profile=3 mode=enforcing granted=no (global-pid=1) task={ pid=1 ppid=0 uid=0 gid=0 euid=0 egid=0 suid=0 \
sgid=0 fsuid=0 fsgid=0 }
<kernel>
file read /y

"""
RULE = "deny path=/x"

Run = Callable[[Path, Path], tuple[int, str]]


def command(*arguments: str | Path, stdin: str = "") -> tuple[int, str]:
    done = tomoyo(*arguments, stdin=stdin.encode())
    return done.status, done.messages


def bind(inputs: Path, folder: Path) -> tuple[int, str]:
    return command("bind", *CLOSURE, "--all-programs", "-o", folder / "out")


def compile_set(inputs: Path, folder: Path) -> tuple[int, str]:
    return command("compile", *CLOSURE, SAMPLE / "policy", "-o", folder / "set")


def name(inputs: Path, folder: Path) -> tuple[int, str]:
    return command("name", *CLOSURE, inputs / "domain_policy.conf", "-o", folder / "named")


def name_into(inputs: Path, folder: Path) -> tuple[int, str]:
    return command("name", *CLOSURE, inputs / "domain_policy.conf", "-o", folder)


def save(inputs: Path, folder: Path) -> tuple[int, str]:
    return command("save", "--interface", inputs / "kernel", folder / "saved")


def save_named(inputs: Path, folder: Path) -> tuple[int, str]:
    return command("save", "--named", *CLOSURE, "--interface", inputs / "kernel", folder / "saved")


def suggest(inputs: Path, folder: Path) -> tuple[int, str]:
    return command("suggest", inputs / "log", "-o", folder / "out")


def suggest_in_place(inputs: Path, folder: Path) -> tuple[int, str]:
    if not os.path.lexists(folder / "domain_policy.conf"):
        (folder / "domain_policy.conf").write_text(POLICY)
    return command("suggest", inputs / "log", "--policy", folder, "--in-place")


def suggest_state(inputs: Path, folder: Path) -> tuple[int, str]:
    return command("suggest", inputs / "log", "--interactive", "--state", folder / "state", stdin="a\n")


def fmt(inputs: Path, folder: Path) -> tuple[int, str]:
    if not os.path.lexists(folder / "domain_policy.conf"):
        (folder / "domain_policy.conf").write_text(POLICY)
    return command("fmt", "-i", folder / "domain_policy.conf")


def audit(inputs: Path, folder: Path) -> tuple[int, str]:
    return command("audit", inputs / "log", "--output", folder / "log")


def query(inputs: Path, folder: Path) -> tuple[int, str]:
    """What the answer 'never' does."""
    if not os.path.lexists(folder / "rules"):
        (folder / "rules").write_text("")
    try:
        prepend_rule(str(folder / "rules"), parse_query_rules(RULE)[0])
    except UnsafeFile as error:
        return 2, f"{error.filename}: {error.strerror}"
    return 0, ""


FILES: dict[str, Run] = {
    "out": bind,
    "out, a policy": suggest,
    "state": suggest_state,
    "log": audit,
    "rules": query,
    "domain_policy.conf": fmt,
    "domain_policy.conf, with entries": suggest_in_place,
}
COMMANDS = {run.__name__: run for run in (*FILES.values(), compile_set, name, name_into, save, save_named)}
#: These follow no link at all.
SETS = ("compile_set", "save", "save_named")


@pytest.fixture
def inputs(tmp_path: Path) -> Path:
    """A place for what is read, beside one for what is written, `top`, and one that must stay as it is, `target`."""
    tmp_path.chmod(0o755)
    for folder in ("inputs", "top", "top/folder", "target"):
        (tmp_path / folder).mkdir()
    kernel = SimulatedKernel()
    put_interface(tmp_path / "inputs/kernel", kernel)
    (tmp_path / "inputs/domain_policy.conf").write_text(POLICY)
    (tmp_path / "inputs/log").write_text(RECORD)
    return tmp_path / "inputs"


def tree(folder: Path) -> dict[str, bytes | None]:
    """Everything below FOLDER."""
    return {str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


def give(path: Path) -> None:
    os.chown(path, USER, USER, follow_symlinks=False)


def linked(top: Path) -> Path:
    (top / "link").symlink_to("../target")
    give(top / "link")
    return top / "link"


def linked_in_a_sticky_directory(top: Path) -> Path:
    top.chmod(0o1777)
    return linked(top)


def linked_in_a_directory_of_theirs(top: Path) -> Path:
    give(top)
    return linked(top)


def linked_further_up(top: Path) -> Path:
    (top.parent / "target/below").mkdir()
    return linked(top) / "below"


def linked_by_a_link_of_ours(top: Path) -> Path:
    linked(top)
    (top / "ours").symlink_to("folder/../link")
    return top / "ours"


def theirs(top: Path) -> Path:
    give(top / "folder")
    return top / "folder"


def below_theirs(top: Path) -> Path:
    (top / "folder/below").mkdir()
    give(top / "folder")
    return top / "folder/below"


def left_by_dots(top: Path) -> Path:
    (top / "folder/below").mkdir()
    give(top / "folder/below")
    (top / "out").mkdir()
    return top / "folder/below/../../out"


def open_to_all(top: Path) -> Path:
    (top / "folder").chmod(0o777)
    return top / "folder"


def open_to_a_group(top: Path) -> Path:
    (top / "folder").chmod(0o775)
    return top / "folder"


CASES = {
    case.__name__: case
    for case in (
        *(linked, linked_in_a_sticky_directory, linked_in_a_directory_of_theirs, linked_further_up, linked_by_a_link_of_ours),
        *(theirs, below_theirs, left_by_dots, open_to_all, open_to_a_group),
    )
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("name", COMMANDS)
def test_what_another_user_could_turn_elsewhere_is_refused(inputs: Path, name: str, case: str) -> None:
    folder = CASES[case](inputs.parent / "top")
    if case == "left_by_dots" and name in SETS:
        pytest.skip("made normal before it is walked, which leads to the same place here")
    prepared = folder / "domain_policy.conf", folder / "rules"
    for path, text in zip(prepared, (POLICY, "")):
        path.write_text(text)
    if name in SETS or name.startswith("name"):
        for path in prepared:
            path.unlink()
    before = tree(inputs.parent)
    status, messages = COMMANDS[name](inputs, folder)
    assert (status, tree(inputs.parent)) == (2, before), messages
    assert any(why in messages for why in (f"user {USER}", "others may write to it", "a symbolic link")), messages


@pytest.mark.parametrize("name", COMMANDS)
def test_what_nobody_else_can_change_is_written(inputs: Path, name: str) -> None:
    folder = inputs.parent / "top/folder"
    before = tree(folder)
    assert COMMANDS[name](inputs, folder)[0] == 0
    assert tree(folder) != before
    assert not [path for path in folder.rglob("*") if path.name.startswith(".")], "a draft is left"


@pytest.mark.parametrize("name", COMMANDS)
def test_a_sticky_directory_such_as_tmp_will_do(inputs: Path, name: str) -> None:
    (inputs.parent / "top").chmod(0o1777)
    if name not in ("name_into", "suggest_in_place", "fmt", "save"):  # which write into it by fixed names
        assert COMMANDS[name](inputs, inputs.parent / "top")[0] == 0
    (inputs.parent / "top/folder").chmod(0o755)
    assert COMMANDS[name](inputs, inputs.parent / "top/folder")[0] == 0


@pytest.mark.parametrize("name", [name for name in COMMANDS if name not in SETS])
def test_links_of_our_own_are_followed(inputs: Path, name: str) -> None:
    (inputs.parent / "top/link").symlink_to("../inputs/../top/folder")
    assert COMMANDS[name](inputs, inputs.parent / "top/link")[0] == 0
    assert tree(inputs.parent / "top/folder")


@pytest.mark.parametrize("name", FILES)
def test_a_link_in_the_files_own_place_is_refused(inputs: Path, name: str) -> None:
    folder, target = inputs.parent / "top/folder", inputs.parent / "target/file"
    target.write_text(POLICY if "policy.conf" in name else "")
    (folder / name.partition(",")[0]).symlink_to(target)
    before = tree(inputs.parent)
    assert FILES[name](inputs, folder)[0] == 2
    assert tree(inputs.parent) == before


@pytest.mark.parametrize("name", FILES)
def test_a_file_of_another_waits_for_nothing(inputs: Path, name: str) -> None:
    """As in /tmp, where another has made it beforehand, and so would own, what root writes."""
    folder = inputs.parent / "top/folder"
    folder.chmod(0o1777)
    file = folder / name.partition(",")[0]
    file.write_text(POLICY if "policy.conf" in name else "")
    give(file)
    before = tree(inputs.parent)
    status, messages = FILES[name](inputs, folder)
    assert (status, tree(inputs.parent)) == (2, before)
    assert f"user {USER}" in messages or "another's file" in messages


def test_other_users_write_where_colleagues_may(request: pytest.FixtureRequest) -> None:
    """In a project's directory that a group shares; but through no link of theirs."""
    # What pytest makes nobody else may look into.
    temporary = tempfile.TemporaryDirectory()
    request.addfinalizer(temporary.cleanup)
    tmp_path = Path(temporary.name)
    tmp_path.chmod(0o755)
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o2777)
    (shared / "domain_policy.conf").write_text(POLICY)
    for path in (shared, shared / "domain_policy.conf"):
        os.chown(path, USER, USER)
    (tmp_path / "target").mkdir()
    (tmp_path / "target").chmod(0o777)
    (shared / "link").symlink_to("../target")
    os.chown(shared / "link", USER + 1, USER, follow_symlinks=False)
    (tmp_path / "target/domain_policy.conf").write_text(POLICY)
    os.chown(tmp_path / "target/domain_policy.conf", USER, USER)
    # Whatever is loaded late is loaded now: another user may not be able to read Python's own files.
    codecs.lookup("ascii")
    (tmp_path / "domain_policy.conf").write_text(POLICY)
    assert command("fmt", "-i", tmp_path / "domain_policy.conf")[0] == 0
    os.seteuid(USER)
    try:
        assert command("fmt", "-i", shared / "domain_policy.conf")[0] == 0
        status, messages = command("fmt", "-i", shared / "link/domain_policy.conf")
    finally:
        os.seteuid(0)
    assert (shared / "domain_policy.conf").read_text() != POLICY
    assert status == 2
    assert f"user {USER + 1}" in messages
    assert (tmp_path / "target/domain_policy.conf").read_text() == POLICY
