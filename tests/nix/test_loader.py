"""Reading a policy from whatever holds one: which form a path has, what a file holds, and what comes of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tomoyo.decision.engine import DecisionEngine
from tomoyo.decision.requests import parse_request
from tomoyo.model.diagnostics import Diagnostic, Place
from tomoyo.model.profiles import DEFAULT_PROFILES
from tomoyo.nix.source.files import SourceError
from tomoyo.nix.source.kinds import kind_by_content, kind_by_place
from tomoyo.nix.source.loader import load_policy, number_modules
from tomoyo.nix.source.policy_files import PolicyForm, PolicyLoadError, named_namespaces, read_policy_files, used_modules
from tomoyo.syntax.domain_policy import parse_domain_policy
from tomoyo.syntax.lines import PolicySyntaxError
from tomoyo.syntax.policy_text import TextKind

from .sources import write_source


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("policy/domains/manager.conf", TextKind.DOMAIN),
        ("policy/exceptions/web.conf", TextKind.EXCEPTION),
        ("policy/modules/profile.conf", TextKind.MODULE),
        ("module-numbers.conf", TextKind.NUMBERS),
        ("bindings.conf", TextKind.EXCEPTION),
        ("/sys/kernel/security/tomoyo/domain_policy", TextKind.DOMAIN),
        ("old.exception_policy.2", TextKind.EXCEPTION),
        ("profile.old", TextKind.PROFILE),
        ("stat", TextKind.STAT),
        ("network-manager.conf", None),
        ("state.conf", None),
        ("domain_policy.profile", None),
        ("domains/README", None),
    ],
)
def test_the_place_of_a_file_says_what_it_holds(path: str, kind: TextKind | None) -> None:
    assert kind_by_place(path) is kind


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("# a comment\n\n<kernel> /bin/sh\nuse_profile 1\n", TextKind.DOMAIN),
        ("  <kernel> /bin/sh\n\tfile read /x\n", TextKind.DOMAIN),
        ("file read /x\n<kernel> /bin/sh\n", TextKind.DOMAIN),
        ("use_group base\nmisc env PATH\n", TextKind.DOMAIN),
        ("file read /x\nnetwork inet stream bind 0.0.0.0 80\n", TextKind.MODULE),
        ("<kernel> initialize_domain /x from any\n", TextKind.EXCEPTION),
        ("path_group a /x\nno_keep_domain any from <kernel> /x\n", TextKind.EXCEPTION),
        ("acl_group 3 file read /x\n", TextKind.EXCEPTION),
        ("<web> PROFILE_VERSION=20150505\n", TextKind.PROFILE),
        ("0-CONFIG::file={ mode=disabled }\n", TextKind.PROFILE),
        ("/usr/bin/tomoyo\n<kernel> /x\n", TextKind.MANAGER),
        ("nix:/tomoyo/bin/tomoyo\n", TextKind.MANAGER),
        ("Memory used by policy: 1000\n", TextKind.STAT),
        ("", "no line says so"),
        ("hello\n# file read /x\n", "no line says so"),
        ("<kernel>\n<kernel> /x\n", "line 1 may be a domain's name or a manager"),
        ("<kernel> /x\nfile read /x\n\naggregator /x /y\n", "line 2 is of domain policy, line 4 of exception policy"),
        ("<kernel> /x\naggregator /x /y\n", "line 1 is of domain policy, line 2 of exception policy"),
        ("file read /x\n/usr/bin/x\n", "line 1 is of a module's entries, line 2 of managers"),
    ],
)
def test_the_lines_of_a_text_say_what_it_holds(text: str, kind: TextKind | str) -> None:
    assert kind_by_content(text) == kind


def test_what_is_not_clear_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_text("<kernel>\n")
    with pytest.raises(PolicyLoadError, match="line 1 may be a domain's name or a manager") as error:
        read_policy_files(path)
    assert error.value.help == "say so with --kind domain|exception|module|numbers|profile|manager|stat"
    assert read_policy_files(path, kind=TextKind.MANAGER).files[0].kind is TextKind.MANAGER
    assert read_policy_files(path, default=TextKind.DOMAIN).files[0].kind is TextKind.DOMAIN
    path.write_text("# nothing yet\n\n")
    assert read_policy_files(path, default=TextKind.DOMAIN).files[0].kind is TextKind.DOMAIN
    path.write_text("hello\n")
    with pytest.raises(PolicyLoadError, match="no line says so"):
        read_policy_files(path, default=TextKind.DOMAIN)


@pytest.mark.parametrize(
    ("names", "form"),
    [
        (["domains/", "manifest.txt"], PolicyForm.SOURCE),
        (["state.conf", "domain_policy.conf"], PolicyForm.SOURCE),
        (["module-numbers.conf"], PolicyForm.SOURCE),
        (["profile.conf"], PolicyForm.SOURCE),
        (["domain_policy.conf"], PolicyForm.SET),
        (["domain_policy.conf", "manifest.json"], PolicyForm.SET),
        (["domain_policy", "exception_policy", "profile"], PolicyForm.KERNEL),
    ],
)
def test_what_is_in_a_directory_says_what_it_is(names: list[str], form: PolicyForm, tmp_path: Path) -> None:
    for name in names:
        (tmp_path / name).mkdir() if name.endswith("/") else (tmp_path / name).write_text(
            "learn\n" if name[:5] == "state" else ""
        )
    (tmp_path / "domains").is_dir() and (tmp_path / "domains" / "x.conf").write_text("")
    assert read_policy_files(tmp_path).form is form


def test_a_file_is_of_the_source_that_it_is_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = write_source(tmp_path / "source", domains__a="<kernel> /a", domains__b="<kernel> /b", profile="0-COMMENT=x")
    for path in (source / "domains" / "a.conf", source / "profile.conf"):
        found = read_policy_files(path)
        assert (found.form, [file.name for file in found.files], len(found.others)) == (PolicyForm.SOURCE, [str(path)], 2)
    monkeypatch.chdir(source / "domains")
    assert [Path(file.name).resolve() for file in read_policy_files("a.conf").others] == [
        source / "domains" / "b.conf",
        source / "profile.conf",
    ]
    # Whatever is wrong elsewhere in the source, this file is read.
    (source / "modules.conf").write_text("")
    found = read_policy_files("a.conf")
    assert (found.form, found.others) == (PolicyForm.FILE, ())
    with pytest.raises(SourceError, match="nothing reads this here"):
        read_policy_files(source)


def test_modules_get_numbers_that_nothing_has() -> None:
    text = "<kernel> /a\nuse_group web\nuse_group 255\n use_group\tbase \nuse_group web\nfile read use_group\n"
    modules = number_modules([text])
    assert modules == {"web": 253, "base": 254}
    domain = parse_domain_policy(text, modules=modules).domain("<kernel> /a")
    assert domain is not None
    assert domain.groups == (253, 254, 255)
    assert number_modules(["<kernel> /a\nuse_group 1\n"]) == {}


def test_an_error_shows_the_line_that_names_a_module_as_it_is_written(tmp_path: Path) -> None:
    """The domain is refused, so its lines have no effect; each is shown in the user's words."""
    path = tmp_path / "domain_policy.conf"
    path.write_text("<kernel> /a\nfile read /x\n<kernel> bad\n\tuse_group  base\nuse_group web\n")
    errors: list[PolicySyntaxError] = []
    text = path.read_text()
    modules = number_modules([text])
    parse_domain_policy(text, modules=modules, report=errors.append)
    assert [(error.line, error.source) for error in errors if "use_group" in error.source] == [
        (4, "\tuse_group  base"),
        (5, "use_group web"),
    ]
    path.write_text("<kernel> /a\nfile read /x\nselect <kernel> /none\n\tuse_group  base\n")
    told: list[Diagnostic] = []
    load_policy(path, report=told.append)
    assert (told[-1].subject, told[-1].place) == ("use_group base", Place(str(path), 4, 2, "\tuse_group  base"))


def test_namespaces_and_modules_are_read_as_a_kernel_reads_lines() -> None:
    text = " <one>\t/a\n use_group\r base \n<two>  /b\n<>  /c\n#<three> /d\nfile read <four>\n"
    assert named_namespaces(text) == ["<one>", "<two>"]
    assert used_modules(text) == ["base"]


def test_policies_are_loaded(tmp_path: Path) -> None:
    domain = "<kernel> /a\nuse_profile 3\nuse_group site\nfile read @nix:/x/y\n"
    source = write_source(tmp_path / "source", domains__a=domain, modules__site="file read /b")
    policy = load_policy(source)
    assert [each.name.text for each in policy.domains] == ["<kernel> /a", "<kernel>"]
    assert policy.names == ("nix:/x/y",)
    assert list(policy.modules) == ["site"]
    assert policy.notes == ("1 name is not bound to store paths: ask for its file by name, such as nix:/x/y",)
    assert policy.engine().decide("<kernel> /a", parse_request("file read /b")).group == policy.modules["site"]
    assert policy.engine().decide("<kernel> /a", parse_request("file read nix:/x/y")).granted
    other = write_source(tmp_path / "other", domains__b="<kernel> /b\nuse_profile 1")
    assert len(load_policy(source, other).domains) == 3
    single = tmp_path / "single"
    single.write_text("<kernel> /a\nuse_profile 3\n")
    with pytest.raises(PolicyLoadError, match="only policy sources are put together"):
        load_policy(source, single)
    with pytest.raises(PolicyLoadError, match="without domains"):
        load_policy(source / "modules" / "site.conf")
    problems: list[Diagnostic] = []
    single.write_text("<kernel> /a\nuse_profile 3\nfile raed /x\n")
    assert load_policy(single, report=problems.append).profiles is None
    assert [str(problem.place) for problem in problems] == [f"{single}:3:6"]


def test_an_engine_is_loaded_from_the_kernels_files(tmp_path: Path) -> None:
    request = parse_request("file read /b")
    path = tmp_path / "domain_policy.conf"
    path.write_text("<kernel> /a\nuse_profile 3\nuse_group 1\nfile raed /x\n")
    with pytest.raises(FileNotFoundError):
        DecisionEngine.load(tmp_path / "none")
    for place in (path, tmp_path):
        errors: list[ValueError] = []
        verdict = DecisionEngine.load(place, errors.append).decide("<kernel> /a", request)
        assert (verdict.granted, verdict.mode, len(errors)) == (False, None, 1)
    path.write_text("<kernel> /a\nuse_profile 3\nuse_group 1\n")
    (tmp_path / "exception_policy.conf").write_text("acl_group 1 file read @g\n")
    (tmp_path / "bindings.conf").write_text("path_group g /b\n")
    (tmp_path / "profile.conf").write_text(DEFAULT_PROFILES)
    verdict = DecisionEngine.load(tmp_path).decide("<kernel> /a", request)
    assert (verdict.granted, verdict.mode and verdict.mode.value) == (True, "enforcing")
    path.unlink()
    with pytest.raises(FileNotFoundError):
        DecisionEngine.load(tmp_path)


def test_an_engine_is_not_loaded_without_what_a_kernel_would_drop(tmp_path: Path) -> None:
    """Without such a line an answer might grant more than was meant; who wants that gives a report."""
    (tmp_path / "domain_policy.conf").write_text("<kernel> /x\nuse_profile 3\n\n# a comment\nfile read /a\n")
    (tmp_path / "profile.conf").write_text("PROFILE_VERSION=20150505\n3-CONFIG={ mode=enforcng }\n")
    with pytest.raises(PolicySyntaxError, match=r"profile:2:"):
        DecisionEngine.load(tmp_path)
    found: list[PolicySyntaxError] = []
    assert DecisionEngine.load(tmp_path, found.append).domain("<kernel> /x")
    assert found
    (tmp_path / "profile.conf").write_text("PROFILE_VERSION=20150505\n3-CONFIG={ mode=enforcing }\n")
    assert not DecisionEngine.load(tmp_path).decide("<kernel> /x", parse_request("file read /b")).granted
