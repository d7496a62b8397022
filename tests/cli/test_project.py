"""`tomoyo.toml`: where it is looked for, what it may say, and that options win over it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.nix.sources import write_source
from tomoyo.cli.project import find_project

from .command import tomoyo

DOMAIN = "<kernel> nix:/web/bin/web"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with a policy source and a directory below, which is the current one."""
    (tmp_path / ".git").mkdir()
    write_source(tmp_path / "policy", domains__web=f"{DOMAIN}\nuse_profile 3\n\nfile read /srv/index")
    (tmp_path / "closure").write_text("")
    (tmp_path / "docs").mkdir()
    monkeypatch.chdir(tmp_path / "docs")
    return tmp_path


def write(project: Path, text: str) -> None:
    (project / "tomoyo.toml").write_text(text)


@pytest.mark.parametrize("command", ["check", "fmt", "lint --fail-on never", "stat", "select --prefix <kernel>"])
def test_commands_read_the_projects_source(command: str, project: Path) -> None:
    write(project, 'source = "policy"\n')
    done = tomoyo(*command.split())
    assert (done.status, done.messages) == (0, "")
    done = tomoyo(*command.split(), project / "policy" / "domains" / "web.conf")
    assert done.status == 0


def test_so_do_commands_that_ask_and_they_say_so(project: Path) -> None:
    write(project, 'source = ["policy"]\n')
    done = tomoyo("explain", DOMAIN, "file", "read", "/srv/index")
    assert done.output.startswith("granted (enforcing mode)")
    assert done.messages == "tomoyo: note: the policy that is asked is ../policy, as tomoyo.toml says [project-file]\n"
    # What is named wins: a kernel that is not there cannot answer.
    assert tomoyo("explain", "--interface", project, DOMAIN, "file", "read", "/srv/index").status == 3
    assert tomoyo("suggest", "--kernel", "--interface", project, os.devnull).status == 3


def test_several_sources_are_one_policy(project: Path) -> None:
    write_source(project / "more", domains__web="<kernel> /x\nuse_profile 3")
    write(project, 'source = ["policy", "more"]\nlibrary = "nginx"\n')
    done = tomoyo("can", "--op", "read", "--path", "/srv/index")
    assert DOMAIN in done.output
    assert tomoyo("explain", "<kernel> nix:/nginx/bin/nginx", "file", "read", "/srv/www/x").output.startswith(
        "granted (permissive"
    )


def test_standard_input_is_meant_where_it_is_named(project: Path) -> None:
    write(project, 'source = "policy"\n')
    assert tomoyo("check", "-", stdin=b"<kernel> /x\nuse_profile 0\n").output == "<stdin>: ok, 1 domain, 0 entries\n"


def test_options_win(project: Path) -> None:
    write_source(project / "policy", domains__web=f"{DOMAIN}\nuse_profile 3\nfile write /\\{{\\*\\}}/\\*")
    write(project, 'source = "policy"\nfail-on = "never"\n')
    assert tomoyo("lint").status == 0
    assert tomoyo("lint", "--fail-on", "error").status == 1
    write(project, 'source = "policy"\nallow = ["whole-system"]\n')
    assert tomoyo("lint").status == 0
    assert tomoyo("lint", "--allow", "whole-tree").status == 1


def test_a_closure_counts_until_another_is_named(project: Path) -> None:
    write(project, 'source = "policy"\nclosure-file = "closure"\nunresolved = "ignore"\n')
    assert tomoyo("compile", "--check").status == 0
    done = tomoyo("compile", "--check", "--closure-file", "none")
    assert (done.status, "none: error: no such file" in done.messages) == (2, True)
    assert tomoyo("compile", "--check", "--unresolved", "error").status == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("# x\nsorce = 1\n", ":2: error: there is no key 'sorce' [project-file]\n    sorce = 1\nhelp: did you mean 'source'?\n"),
        ("[tool]\nx = 1\n", ":1: error: there is no key 'tool' [project-file]\n    [tool]\nhelp: the keys are source, library, "),
        ("source = 1\n", ":1: error: 'source' is a text or a list of texts"),
        ('source = ["a", ""]\n', ":1: error: 'source' is a text or a list of texts, and none of them empty [project-file]\n"),
        ('\nroot = ["a"]\n', ":2: error: 'root' is a text [project-file]\n"),
        ("source = \n", ":1:10: error: not TOML: Invalid value [project-file]\n    source = \n             ^\n"),
        ("source = '", ":1: error: not TOML: "),
        ("a = 1\na = 2\n", ":2:6: error: not TOML: Cannot overwrite a value [project-file]\n    a = 2\n         ^\n"),
    ],
)
def test_what_is_wrong_is_an_error(text: str, message: str, project: Path) -> None:
    write(project, text)
    done = tomoyo("lint")
    assert (done.status, done.output) == (2, "")
    assert done.messages.startswith(f"../tomoyo.toml{message}")


def test_bytes_that_are_no_text_are_an_error(project: Path) -> None:
    (project / "tomoyo.toml").write_bytes(b"# x\n\xff\n")
    done = tomoyo("check")
    assert (done.status, done.messages) == (2, "../tomoyo.toml:2: error: not UTF-8 [project-file]\n    \xff\n")


def test_commands_that_read_neither_policy_nor_closure_do_not_look(project: Path) -> None:
    write(project, "nonsense")
    assert tomoyo("convert", os.devnull).status == 0
    assert tomoyo("doctor", "--root", project).status in (0, 1)


def test_the_user_database_is_not_asked(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A confined service, which has no HOME, may not ask it."""
    write(project, "")
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr("pwd.getpwuid", lambda uid: pytest.fail(f"asked for user {uid}"))
    assert find_project() == str(project / "tomoyo.toml")


@pytest.mark.parametrize("border", ["repository", "home"])
def test_it_is_not_looked_for_beyond(border: str, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(project, "nonsense")
    (project / "own").mkdir()
    monkeypatch.chdir(project / "own")
    if border == "repository":
        (project / "own" / ".git").write_text("gitdir: elsewhere\n")
    else:
        monkeypatch.setenv("HOME", f"{project}/own/")
    assert "say what to judge" in tomoyo("lint").messages


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
@pytest.mark.parametrize("change", ["owner", "group", "others", "directory", "link"])
def test_root_takes_none_that_another_user_could_have_written(change: str, project: Path) -> None:
    path = project / "tomoyo.toml"
    write(project, 'source = "policy"\n')
    assert tomoyo("check").status == 0
    if change == "owner":
        os.chown(path, 12345, 0)
    elif change == "link":
        path.rename(project / "real.toml")
        path.symlink_to("real.toml")
        os.chown(path, 12345, 0, follow_symlinks=False)
    elif change == "directory":
        project.chmod(0o777)
    else:
        path.chmod({"group": 0o664, "others": 0o646}[change])
    done = tomoyo("lint")
    assert done.status == 2
    assert "warning: ../tomoyo.toml is not used: " in done.messages
    assert "say what to judge" in done.messages


def test_others_take_their_own_and_roots(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(project, 'source = "policy"\n')
    (project / "tomoyo.toml").chmod(0o664)
    monkeypatch.setattr(os, "geteuid", lambda: 54321)
    if os.getuid() == 0:
        assert tomoyo("check").status == 0
        os.chown(project / "tomoyo.toml", 12345, 0)
    done = tomoyo("lint")
    assert "is not used: belongs to user" in done.messages


@pytest.mark.parametrize("user", [None, 54321])
def test_what_is_no_file_is_not_used(user: int | None, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(project / "tomoyo.toml")
    if user is not None:
        monkeypatch.setattr(os, "geteuid", lambda: user)
    assert "../tomoyo.toml is not used: no regular file" in tomoyo("lint").messages


def test_a_current_directory_that_is_gone_has_none(project: Path) -> None:
    (project / "gone").mkdir()
    os.chdir(project / "gone")
    (project / "gone").rmdir()
    assert "say what to judge" in tomoyo("lint").messages


def test_help_says_what_a_project_may_give() -> None:
    done = tomoyo("lint", "--help")
    assert "[tomoyo.toml: fail-on]" in done.output
    assert "[tomoyo.toml: source]" in " ".join(done.output.split())


@pytest.mark.parametrize(
    ("text", "place", "message", "advice"),
    [
        ('severity = "eror"', "1:13", "'severity' cannot be 'eror'", "did you mean 'error'?"),
        ('fail-on = "x"', "1:12", "'fail-on' cannot be 'x'", "use one of error, warning, note, never"),
        ('unresolved = "igno"', "1:15", "'unresolved' cannot be 'igno'", "did you mean 'ignore'?"),
        (
            'allow = [\n    "whole-tree",\n    "whole-tre",\n]',
            "3:6",
            "'allow' cannot be 'whole-tre'",
            "did you mean 'whole-tree'?",
        ),
        ('library = ["nginx", "ngnix=enforce"]', "1:22", "'library' cannot be 'ngnix'", "did you mean 'nginx'?"),
        ('library = "nginx=enfroce"', "1:12", "'library' cannot be 'enfroce'", "did you mean 'enforce'?"),
    ],
)
@pytest.mark.parametrize("command", ["check", "lint", "stat", "name", "compile --check", "bind", "explain x y"])
def test_all_of_it_is_checked_whichever_command_reads_it(
    command: str, text: str, place: str, message: str, advice: str, project: Path
) -> None:
    write(project, f'{text}\nsource = "policy"\n')
    done = tomoyo(*command.split())
    assert (done.status, done.output) == (2, "")
    assert done.messages.startswith(f"../tomoyo.toml:{place}: error: {message} [project-file]\n")
    assert done.messages.endswith(f"help: {advice}\n")


def test_choices_are_those_of_the_options(project: Path) -> None:
    from tomoyo.cli.commands import compile as compile_command
    from tomoyo.cli.commands import lint
    from tomoyo.cli.options import command_parser
    from tomoyo.cli.project import CHOICES

    parsers = [command_parser(module, "x", "") for module in (lint, compile_command)]
    options = {option: action for parser in parsers for action in parser._actions for option in action.option_strings}
    assert {key: tuple(options[f"--{key}"].choices or ()) for key in CHOICES} == CHOICES


def test_name_takes_the_projects_source(project: Path) -> None:
    write(project, 'source = "policy"\nclosure-file = "closure"\n')
    done = tomoyo("name")
    assert (done.status, done.output) == (0, f"{DOMAIN}\nuse_profile 3\n\nfile read /srv/index\n\n")
    write(project, 'source = ["policy", "policy"]\n')
    assert "several policy sources" in tomoyo("name").messages
