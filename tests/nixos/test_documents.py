"""The configuration that the documents show, built."""

from __future__ import annotations

import re

import pytest

from .evaluation import ROOT, TOP_LEVEL, Evaluator


@pytest.mark.parametrize("platform", ["nixos", "finix"])
def test_the_configuration_in_the_documents_builds(standin: Evaluator, platform: str) -> None:
    blocks = re.findall(r"```nix\n(.*?)```", (ROOT / "docs" / "nixos.md").read_text(), re.DOTALL)
    (configuration,) = [block for block in blocks if "security.tomoyo" in block]
    standin.build(platform, configuration, TOP_LEVEL)
    policy = standin.build(platform, configuration, "s.config.security.tomoyo.build.policy")
    domains = (policy / "domain_policy.conf").read_text()
    assert re.search(
        r"<kernel> nix:/hello/bin/hello\nuse_profile 2\nuse_group [0-9]+\n\nfile read @nix:/hello/bin/hello\n", domains
    )


def test_the_configurations_in_the_tutorial_evaluate(standin: Evaluator) -> None:
    blocks = re.findall(r"```nix\n(.*?)```", (ROOT / "docs" / "tutorial.md").read_text(), re.DOTALL)
    states = [
        standin.value(
            "nixos", block.replace("services.nginx.enable = true;", ""), "s.config.security.tomoyo.policies.nginx.state"
        )
        for block in blocks
    ]
    assert states == ["learn", "permissive"]
