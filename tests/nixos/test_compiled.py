"""The compiled set as part of a system, really built: what is in it, what it is compiled for, and what fails the build."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

from ..nix.nixstore import NixFailureError
from .evaluation import TOP_LEVEL, Evaluator

HELLO = """
policies.hello = {
  text = ''
    <kernel> nix:/hello/bin/hello
    file read @nix:/hello/share/greeting
    file execute nix:/bash/bin/sh
  '';
  exceptions = "initialize_domain nix:/hello/bin/hello from any";
};
"""
OTHER_HELLO = 'pkgs.package "hello-2.13" { "bin/hello" = "#!/bin/sh\\n"; "share/greeting" = "hi\\n"; }'
# Both platforms' systems with another version of hello.
UPGRADED = f"environment.systemPackages = [ ({OTHER_HELLO}) ];"


def configured(options: str, more: str = "") -> str:
    return f"{{ security.tomoyo = {{ enable = true; {options} }}; {more} }}"


def read_set(evaluator: Evaluator, platform: str, configuration: str) -> dict[str, str]:
    """The files of the compiled set, by name."""
    built = evaluator.build(platform, configuration, "s.config.security.tomoyo.build.policy")
    return {path.name: path.read_text() for path in built.iterdir()}


@pytest.mark.parametrize("platform", ["nixos", "finix"])
def test_a_system_is_built_with_its_policy(evaluator: Evaluator, platform: str) -> None:
    top = evaluator.build(platform, configured(HELLO), TOP_LEVEL)
    policy = evaluator.build(platform, configured(HELLO), "s.config.security.tomoyo.build.policy")
    store = evaluator.store
    path = f"/{policy.relative_to(store.root)}"
    if platform == "nixos":
        assert os.readlink(top / "tomoyo") == path
        # The same in all generations.
        assert path not in (top / "kernel-params").read_text()
    else:
        assert f"TOMOYO_loader={path}/boot" in (top / "kernel-params").read_text()
    assert path in store.requisites(f"/{top.relative_to(store.root)}")
    files = {entry.name: entry.read_text() for entry in policy.iterdir()}
    assert files["domain_policy.conf"] == (
        "<kernel>\nuse_profile 0\n\n\n"
        "<kernel> nix:/hello/bin/hello\nuse_profile 3\n\nfile execute nix:/bash/bin/sh\nfile read @nix:/hello/share/greeting\n\n"
        "<kernel> nix:/tomoyo/bin/tomoyo\nuse_profile 0\n\n\n"
    )
    assert files["exception_policy.conf"] == (
        "initialize_domain nix:/hello/bin/hello from any\ninitialize_domain nix:/tomoyo/bin/tomoyo from any\n"
    )
    assert files["manager.conf"] == "<kernel> nix:/tomoyo/bin/tomoyo\n"
    assert os.access(policy / "boot", os.X_OK)
    bound = {words[1]: words[2] for words in map(str.split, files["bindings.conf"].splitlines())}
    # The shell is executed by a path outside the store, too.
    assert bound["/bin/sh"] == "nix:/bash/bin/sh"
    assert sum(name == "nix:/hello/bin/hello" for name in bound.values()) == 2


@pytest.mark.parametrize("platform", ["nixos", "finix"])
def test_the_loader_s_shell_is_one_of_its_own_or_the_users(standin: Evaluator, platform: str) -> None:
    for option, package, shell in (
        ("", "tomoyo-loader-shell-1.36.1", "/bin/busybox sh"),
        ("boot.shell = pkgs.bash;", "bash-5.3", "/bin/sh"),
        ('boot.shell = pkgs.bash // { shellPath = "/bin/bash"; };', "bash-5.3", "/bin/bash"),
    ):
        files = read_set(standin, platform, configured(HELLO + option))
        interpreter = files["boot"].partition("\n")[0]
        assert re.fullmatch(rf"#!/nix/store/[a-z0-9]{{32}}-{re.escape(package + shell)}", interpreter)
        # Policies may name busybox, and mean the system's.
        assert "nix:/busybox/" not in files["bindings.conf"]


@pytest.mark.parametrize("platform", ["nixos", "finix"])
def test_the_closure_is_the_systems_but_for_the_policy(standin: Evaluator, platform: str) -> None:
    store = standin.store
    top = standin.build(platform, configured(HELLO), TOP_LEVEL)
    closure = standin.build(platform, configured(HELLO), "s.config.security.tomoyo.build.closure")
    trusted = set((closure / "store-paths").read_text().split())
    system = set(store.requisites(f"/{top.relative_to(store.root)}"))
    missing = sorted(path.partition("-")[2] for path in system - trusted)
    # What holds the policy cannot be trusted by it; everything else of the system is.
    assert (
        missing
        == {
            "nixos": ["nixos-system-test", "tomoyo-policy"],
            "finix": ["etc", "finix-system", "tomoyo-policy"],
        }[platform]
    )


@pytest.mark.parametrize("platform", ["nixos", "finix"])
def test_an_upgrade_changes_bindings_and_nothing_else(standin: Evaluator, platform: str) -> None:
    before = read_set(standin, platform, configured(HELLO + "packages.hello = pkgs.hello;"))
    after = read_set(standin, platform, configured(HELLO + f"packages.hello = {OTHER_HELLO};", UPGRADED))
    changed = {name for name in before if before[name] != after[name]}
    # The loader knows the sizes of the files.
    assert changed - {"boot"} == {"bindings.conf", "manifest.json"}
    assert "-hello-2.12/bin/hello" in before["bindings.conf"]
    assert "-hello-2.13/bin/hello" in after["bindings.conf"]
    assert "-hello-2.12/" not in after["bindings.conf"]


def test_the_same_configuration_gives_the_same_bytes(standin: Evaluator) -> None:
    expression = standin.expression("nixos", configured(HELLO), "s.config.security.tomoyo.build.policy")
    standin.store.run("nix-build", "--no-out-link", "-E", expression)
    # Builds it once more and compares.
    standin.store.run("nix-build", "--check", "--no-out-link", "-E", expression)


def test_options_reach_the_set(standin: Evaluator) -> None:
    files = read_set(
        standin,
        "nixos",
        configured(
            """
            modules.logs = "file append /var/log/x";
            policies.hello = { state = "learn"; text = "<kernel> nix:/hello/bin/hello\\nuse_group logs"; };
            quotas.audit = 1048576;
            boot.onFailure = "stop";
            """
        ),
    )
    assert "fallback=no\n" in files["boot"]
    number = json.loads(files["manifest.json"])["modules"]["logs"]
    assert f"acl_group {number} file append /var/log/x\n" in files["exception_policy.conf"]
    assert f"<kernel> nix:/hello/bin/hello\nuse_profile 1\nuse_group {number}\n" in files["domain_policy.conf"]
    assert files["stat.conf"] == "Memory used by audit log: 1048576\n"


def test_packages_outside_the_system_can_be_named(standin: Evaluator) -> None:
    text = 'policies.other.text = "<kernel> nix:/other/bin/other\\nfile read @nix:/data/share/x";'
    other = 'pkgs.package "thing-1" { "bin/other" = "#!/bin/sh\\n"; }'
    data = 'pkgs.package "data-1" { "share/x" = "x\\n"; }'
    files = read_set(standin, "nixos", configured(f"{text} packages.other = {other}; extraClosureRoots = [ ({data}) ];"))
    assert "-thing-1/bin/other nix:/other/bin/other\n" in files["bindings.conf"]
    assert "-data-1/share/x\n" in files["bindings.conf"]


#: A policy directory's files; a domain of hello in each has another profile than the state asks for.
LAYOUTS = {
    "domain_policy.conf": "<kernel>\nuse_profile 0\n\n<kernel> nix:/hello/bin/hello\nuse_profile 1\n",
    "domains/hello.conf": "<kernel> nix:/hello/bin/hello\n\tuse_profile  0\n<kernel> nix:/hello/bin/hello nix:/bash/bin/sh\n",
}


@pytest.mark.parametrize("platform", ["nixos", "finix"])
@pytest.mark.parametrize("names", [["domain_policy.conf"], ["domains/hello.conf"], list(LAYOUTS), []])
def test_a_state_holds_for_every_domain_of_a_policy(standin: Evaluator, platform: str, names: list[str], tmp_path: Path) -> None:
    path = tmp_path / "hello"
    if not names:
        path.write_text(LAYOUTS["domain_policy.conf"])
    for name in names:
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_text(LAYOUTS[name])
    if names:
        # What the directory says of a state counts no more than its profiles.
        (path / "state.conf").write_text("disable\n")
    text = read_set(standin, platform, configured(f"policies.hello.path = {path};"))["domain_policy.conf"]
    opened = "".join(LAYOUTS[name] for name in names or ["domain_policy.conf"])
    for domain in re.findall("^<.*$", opened, re.MULTILINE):
        assert f"{domain}\nuse_profile 3\n" in text


def test_what_a_system_adds_to_the_library_does_not_change_its_state(standin: Evaluator) -> None:
    nginx = 'environment.systemPackages = [ (pkgs.package "nginx-1.28.0" { "bin/nginx" = "#!/bin/sh\\n"; }) ];'
    added = "<kernel> nix:/nginx/bin/nginx\nuse_profile 0"
    options = f"library.nginx = {{ enable = true; state = \"enforce\"; extraPolicy = ''{added}''; }};"
    with pytest.raises(NixFailureError, match=r"library/nginx/domains/nginx\.conf:2:1: .* gives this domain profile 3"):
        standin.build("nixos", configured(options, nginx), TOP_LEVEL)


def test_what_options_make_takes_no_file_of_a_policy_away(standin: Evaluator, tmp_path: Path) -> None:
    (tmp_path / "hello/exceptions").mkdir(parents=True)
    (tmp_path / "hello/exceptions/hello.extra.conf").write_text("keep_domain any from <kernel>\n")
    options = f'policies.hello = {{ path = {tmp_path}/hello; exceptions = "keep_domain /x from any"; }};'
    with pytest.raises(NixFailureError, match=r"policies/hello/exceptions/hello\.extra\.conf: the policy has this file already"):
        standin.build("nixos", configured(options), TOP_LEVEL)


def policy_text(*lines: str) -> str:
    return "policies.hello.text = ''" + "\n".join(lines) + "'';"


FAILING = {
    policy_text("<kernel> nix:/nginx/bin/nginx"): [
        "policies/hello/domains/hello.conf:1:",
        "nix:/nginx/bin/nginx",
        "no package nginx",
    ],
    policy_text("<kernel> nix:/hello/bin/hello", "file readx /etc/passwd"): ["policies/hello/domains/hello.conf:2:", "readx"],
    policy_text("<kernel> nix:/hello/bin/hello", "use_profile 3", "file read/link /a"): ["policies/hello/domains/hello.conf:3:"],
    policy_text("<kernel> nix:/hello/bin/hello", "use_group bas"): [
        "policies/hello/domains/hello.conf:2:",
        "there is no module 'bas'",
        "did you mean 'base'?",
    ],
    # Another namespace, which has no profiles.
    policy_text("<web>", "<web> nix:/hello/bin/hello"): ["profile 3 of <web> is not defined", "panic"],
    policy_text("<kernel> nix:/hello/bin/goodbye"): ["policies/hello/domains/hello.conf:1:", "nix:/hello/bin/goodbye"],
    'exceptionPolicy = "initialise_domain /x from any";': ["system/exceptions/system.conf:1:"],
    'modules.base = "use_profile 3";': ["system/modules/base.conf:1:"],
    f"{HELLO} strictNames = true; extraClosureRoots = [ ({OTHER_HELLO}) ];": ["nix:/hello/bin/hello", "hello-2.12", "hello-2.13"],
}


@pytest.mark.parametrize("options", FAILING)
def test_an_error_in_the_policy_fails_the_build_with_its_place(standin: Evaluator, options: str) -> None:
    with pytest.raises(NixFailureError) as failure:
        standin.build("nixos", configured(options), TOP_LEVEL)
    for part in ["tomoyo-policy.drv' failed", *FAILING[options]]:
        assert part in str(failure.value)


def test_an_error_in_a_policy_file_names_its_line(standin: Evaluator, tmp_path: Path) -> None:
    file = tmp_path / "hello.conf"
    file.write_text("# comment\n<kernel> nix:/hello/bin/hello\n\nuse_profile 1\n\nfile reed /etc/passwd\n")
    with pytest.raises(NixFailureError, match=r"policies/hello/domains/hello\.conf:6:6: error: "):
        standin.build("nixos", configured(f"policies.hello.path = {file};"), TOP_LEVEL)
