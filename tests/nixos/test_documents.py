"""The configuration that the documents show, built."""

from __future__ import annotations

import re

import pytest

from .evaluation import ROOT, TOP_LEVEL, Evaluator

#: What the documents' systems have beside hello, which the platforms have themselves.
PACKAGES = """environment.systemPackages = [
  (pkgs.package "nginx-1.28.0" { "bin/nginx" = "#!/bin/sh\\n"; })
  (pkgs.package "openssh-10.0p2" { "bin/sshd" = "#!/bin/sh\\n"; "libexec/sshd-session" = "#!/bin/sh\\n"; })
];"""


def configurations(document: str) -> list[str]:
    """The configurations that a document shows, of a system that has their services."""
    blocks = re.findall(r"```nix\n(.*?)```", (ROOT / "docs" / document).read_text(), re.DOTALL)
    shown = [block.replace("services.nginx.enable = true;", "") for block in blocks if "security.tomoyo" in block]
    return [f"{{ imports = [ {block} {{ security.tomoyo.enable = true; {PACKAGES} }} ]; }}" for block in shown]


@pytest.mark.parametrize("platform", ["nixos", "finix"])
def test_the_configuration_in_the_documents_builds(standin: Evaluator, platform: str) -> None:
    (configuration,) = configurations("how-to/nixos.md")
    standin.build(platform, configuration, TOP_LEVEL)
    policy = standin.build(platform, configuration, "s.config.security.tomoyo.build.policy")
    domains = (policy / "domain_policy.conf").read_text()
    hello = r"<kernel> nix:/hello/bin/hello\nuse_profile 2\nuse_group 1\nuse_group [0-9]+\n\n"
    assert re.search(hello + r"file read/getattr @nix:/hello/bin/hello\n", domains)
    assert "<kernel> nix:/nginx/bin/nginx\nuse_profile 2\n" in domains


@pytest.mark.parametrize(
    ("document", "states"),
    {"tutorials/confine-a-service.md": ["nginx 2", "nginx 2", "hello 1"], "reference/library.md": []}.items(),
)
def test_the_configurations_in_other_documents_build(standin: Evaluator, document: str, states: list[str]) -> None:
    found = []
    for configuration in configurations(document):
        policy = standin.build("nixos", configuration, "s.config.security.tomoyo.build.policy")
        text = (policy / "domain_policy.conf").read_text()
        found += [
            " ".join(match) for match in re.findall(r"^<kernel> nix:/([hn]\w+)/.*\nuse_profile ([0-9])$", text, re.MULTILINE)
        ]
    assert found == states
