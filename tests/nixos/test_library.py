"""The policy library on NixOS: one line for a service, permissive unless said otherwise, and modules for everybody."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tomoyo.model.profiles import Mode, ServiceState
from tomoyo.nix.source.library import library_services
from tomoyo.syntax.domain_policy import parse_domain_policy
from tomoyo.syntax.formatting import format_domain
from tomoyo.syntax.profiles import parse_profile

from ..nix.nixstore import NixFailureError
from .evaluation import Evaluator

NGINX = (
    'environment.systemPackages = [ (pkgs.package "nginx-1.28.0" { "bin/nginx" = "#!/bin/sh\\n"; "conf/mime.types" = ""; }) ];'
)
DOMAIN = "<kernel> nix:/nginx/bin/nginx"


def compiled(evaluator: Evaluator, options: str, platform: str = "nixos", more: str = NGINX) -> dict[str, str]:
    """The compiled set of a system with nginx, by file."""
    configuration = f"{{ security.tomoyo = {{ enable = true; {options} }}; {more} }}"
    built = evaluator.build(platform, configuration, "s.config.security.tomoyo.build.policy")
    return {path.name: path.read_text() for path in built.iterdir()}


def domains(files: dict[str, str]) -> dict[str, str]:
    """The domains of a set, by name."""
    return {domain.name.text: format_domain(domain) for domain in parse_domain_policy(files["domain_policy.conf"])}


@pytest.mark.parametrize("platform", ["nixos", "finix"])
def test_one_line_confines_a_service_permissively(evaluator: Evaluator, platform: str) -> None:
    files = compiled(evaluator, "library.nginx.enable = true;", platform)
    found = domains(files)[DOMAIN]
    assert "use_profile 2\nuse_group 1\n" in found
    profiles = {profile.number: profile for part in parse_profile(files["profile.conf"]) for profile in part.profiles}
    assert profiles[2].default.mode is Mode.PERMISSIVE
    assert "initialize_domain nix:/nginx/bin/nginx from any\n" in files["exception_policy.conf"]
    # The modules come along, with the library's own numbers, and nothing that nobody uses.
    assert "acl_group 1 file read/write/append/getattr/truncate /dev/null\n" in files["exception_policy.conf"]
    modules = json.loads(files["manifest.json"])["modules"]
    assert modules == {"base": 1, "libraries": 12, "name-service": 2, "systemd-service": 6, "tls": 3}
    bound = {words[1]: words[2] for words in map(str.split, files["bindings.conf"].splitlines())}
    assert any(path.endswith("-nginx-1.28.0/bin/nginx") for path, name in bound.items() if name == "nix:/nginx/bin/nginx")
    assert bound["nix:/nginx/conf/\\*"].endswith("-nginx-1.28.0/conf/\\*")


@pytest.mark.parametrize("state", ServiceState)
def test_a_state_is_a_profile(standin: Evaluator, state: ServiceState) -> None:
    options = f'library.nginx = {{ enable = true; state = "{state.name.lower()}"; }};'
    files = compiled(standin, options)
    assert f"use_profile {state.value}\n" in domains(files)[DOMAIN]
    profiles = {profile.number: profile for part in parse_profile(files["profile.conf"]) for profile in part.profiles}
    assert profiles[state.value].default.mode is state.mode


def test_what_a_system_adds_is_in_the_same_domain_and_state(standin: Evaluator) -> None:
    options = f"""
      library.nginx = {{
        enable = true;
        state = "enforce";
        extraPolicy = ''
          {DOMAIN}
          file read/getattr /home/www/\\{{\\*\\}}/\\*
        '';
      }};
    """
    found = domains(compiled(standin, options.replace("\\\\", "\\")))[DOMAIN]
    assert "use_profile 3\n" in found
    assert "file read/getattr /home/www/\\{\\*\\}/\\*\n" in found
    assert "file read/getattr @nix:/nginx/bin/nginx\n" in found


def test_what_is_not_enabled_is_not_there(standin: Evaluator) -> None:
    files = compiled(standin, 'library.nginx.state = "enforce";')
    assert DOMAIN not in domains(files)
    assert "acl_group" not in files["exception_policy.conf"]


def test_policies_use_modules_of_the_library_and_may_replace_them(standin: Evaluator) -> None:
    policy = "policies.hello.text = ''<kernel> nix:/hello/bin/hello\nuse_group base'';"
    files = compiled(standin, policy)
    assert "use_group 1\n" in domains(files)["<kernel> nix:/hello/bin/hello"]
    own = compiled(standin, f'{policy} modules.base = "file read /own";')
    assert "file read /own\n" in own["exception_policy.conf"]
    assert own["exception_policy.conf"].count("acl_group") == 1
    pinned = compiled(standin, f"{policy} moduleNumbers.base = 77;")
    assert "acl_group 77 file getattr /\n" in pinned["exception_policy.conf"]


def test_a_service_that_the_system_does_not_have_fails_the_build(standin: Evaluator) -> None:
    with pytest.raises(NixFailureError) as failure:
        compiled(standin, "library.nginx.enable = true;", more="")
    assert "services/nginx/domains/nginx.conf" in str(failure.value)
    assert "nix:/nginx/bin/nginx" in str(failure.value)


def test_nix_and_python_know_the_same_services_and_states(standin: Evaluator, root: Path) -> None:
    found = standin.store.evaluate(f"let l = import {root}/tomoyo/nixos/library.nix; in {{ inherit (l) services states; }}")
    assert found["services"] == list(library_services())
    assert found["states"] == {state.name.lower(): state.value for state in ServiceState}


DAEMONS = {
    "audit.enable = true;": "",
    "learning.save.enable = true;": "",
    'notify = { enable = true; command = [ "/bin/wall" ]; };': "",
    "query.enable = true;": "<kernel> nix:/tomoyo/bin/tomoyo-query\n",
}


@pytest.mark.parametrize("platform", ["nixos", "finix"])
@pytest.mark.parametrize("option", DAEMONS)
def test_what_reads_records_is_confined_and_manages_only_where_it_answers(standin: Evaluator, platform: str, option: str) -> None:
    files = compiled(standin, option, platform)
    assert files["manager.conf"] == f"<kernel> nix:/tomoyo/bin/tomoyo\n{DAEMONS[option]}"
    found = domains(files)
    for name in ("audit", "notify", "query", "save"):
        domain = f"<kernel> nix:/tomoyo/bin/tomoyo-{name}"
        assert "use_profile 3\n" in found[domain]
        assert f"initialize_domain nix:/tomoyo/bin/tomoyo-{name} from any\n" in files["exception_policy.conf"]
        # Of the kernel's files only answers are written.
        written = [line for line in found[domain].split("\n") if "securityfs:" in line and "write" in line.split(" ")[1]]
        assert written == (["file read/write securityfs:/tomoyo/query"] if name == "query" else [])
    assert "use_profile 0\n" in found["<kernel> nix:/tomoyo/bin/tomoyo-notify /command"]


def test_where_daemons_read_and_write_is_in_their_policy(standin: Evaluator) -> None:
    places = """
      audit = { enable = true; directory = "/srv/log"; };
      learning.save = { enable = true; directory = "/srv/a/b"; };
      query = { enable = true; rules = "/srv/rules/x"; };
    """
    text = compiled(standin, places)["exception_policy.conf"]
    for line in (
        "tomoyo-log /srv/log/\\*",
        "tomoyo-saved /srv/a/b/policy/\\*/\\*",
        "tomoyo-saved-directory /srv/a/b/policy/\\*/",
        "tomoyo-query-rules /srv/rules/x",
        *(f"tomoyo-directory {path}" for path in ("/", "/srv/", "/srv/log/", "/srv/a/", "/srv/a/b/", "/srv/rules/")),
    ):
        assert f"path_group {line}\n" in text


def test_without_daemons_there_is_no_policy_for_them_and_it_can_be_turned_off(standin: Evaluator) -> None:
    for options in ("", "audit.enable = true; library.tomoyo.enable = false;"):
        assert not [name for name in domains(compiled(standin, options)) if "tomoyo-" in name]
    learning = compiled(standin, 'audit.enable = true; library.tomoyo.state = "permissive";')
    assert "use_profile 2\n" in domains(learning)["<kernel> nix:/tomoyo/bin/tomoyo-audit"]
