"""A system with our module, from boot to rollback, in a real kernel.

Nix builds two generations of it, with the policy and the boot loader inside; the kernel executes the loader that the system's own
parameters name, and each switch is the system's own activation script.
"""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from ..nix.conftest import nix_store
from ..nixos.conftest import root, standin
from ..nixos.evaluation import TOP_LEVEL, Evaluator
from . import machine
from .fixtures import kernel, kernel_release
from .kernels import Kernel

__all__ = ["kernel", "kernel_release", "nix_store", "root", "standin"]

DOMAIN = "<kernel> nix:/counter/bin/counter"
CONFIGURATION = """{
  security.tomoyo = {
    enable = true;
    modules.shell = ''
      file read @nix:/busybox/bin/busybox
      file read/write /dev/null
      misc env \\*
    '';
    policies.counter = {
      text = ''
        <kernel> nix:/counter/bin/counter
        use_group shell
        file read @nix:/counter/bin/counter
        file read @nix:/counter/share/words
      '';
      exceptions = "initialize_domain nix:/counter/bin/counter from any";
    };
  };
  environment.systemPackages =
    let
      inherit (pkgs) busybox;
      # Asks for what it may have and what it may not, and counts the wrong answers.
      counter = version: pkgs.runCommand "counter-${version}" { } ''
        mkdir -p $out/bin $out/share
        echo ${version} > $out/share/words
        cat > $out/bin/counter <<END
        #!${busybox}/bin/sh
        trap 'stop=yes' TERM
        asked=0 denied=0 allowed=0
        echo begun
        while [ -z "\\$stop" ]; do
          asked=\\$((asked + 1))
          read -r line < $out/share/words && [ "\\$line" = ${version} ] || denied=\\$((denied + 1))
          ! read -r line < /run/words || allowed=\\$((allowed + 1))
        done
        echo \\$asked \\$denied \\$allowed
        END
        sed -i 's/^        //' $out/bin/counter
        chmod +x $out/bin/counter
      '';
    in
    [ (counter "VERSION") ];
}"""


def run(kernel: Kernel, evaluator: Evaluator, platform: str, *configurations: str) -> dict[str, Any]:
    """What the job found out about these generations of a system; `sets` are their compiled sets."""
    store = evaluator.store
    tops = [evaluator.build(platform, configuration, TOP_LEVEL) for configuration in configurations]
    sets = [evaluator.build(platform, configuration, "s.config.security.tomoyo.build.policy") for configuration in configurations]
    paths = [f"/{top.relative_to(store.root)}" for top in tops]
    parameters = dict(re.findall(r"(TOMOYO_[a-z]+)=(\S+)", (tops[0] / "kernel-params").read_text()))
    init = {
        "nixos": "/run/current-system/systemd/lib/systemd/systemd",
        "finix": f"{paths[0]}/init" if "finit-" in parameters["TOMOYO_trigger"] else f"{paths[0]}/activate",
    }[platform]
    result = machine.run(
        kernel,
        "generations",
        arguments=[str(store.root), init, *paths],
        files={"closure": "\n".join(store.requisites(*paths)).encode()},
        loader=parameters["TOMOYO_loader"],
        # The one that comes last counts.
        command_line=f"TOMOYO_trigger={parameters['TOMOYO_trigger']}",
    )
    found: dict[str, Any] = json.loads(result.files["answers.json"])
    return {**found, "sets": [{path.name: path.read_text() for path in folder.iterdir()} for folder in sets]}


@pytest.fixture(scope="module", params=["nixos", "finix"])
def answers(request: pytest.FixtureRequest, kernel: Kernel, standin: Evaluator) -> dict[str, Any]:
    """What the job found out about two generations."""
    return run(kernel, standin, request.param, *(CONFIGURATION.replace("VERSION", version) for version in ("1.0", "2.0")))


def lines(text: str) -> set[str]:
    return set(text.splitlines()) - {""}


def bindings(held: dict[str, str], version: str) -> set[str]:
    """The bindings to the counter of VERSION that a kernel holds."""
    return {line for line in lines(held["exception_policy"]) if f"-counter-{version}/" in line}


def assert_loaded(booted: dict[str, str], compiled: dict[str, str]) -> None:
    """Whether the kernel holds a compiled set after the boot, and no more."""
    assert lines(compiled["domain_policy.conf"]) <= lines(booted["domain_policy"])
    assert lines(booted["exception_policy"]) == lines(compiled["exception_policy.conf"]) | lines(compiled["bindings.conf"])
    assert booted["manager"] == compiled["manager.conf"]
    assert len(bindings(booted, "1.0")) >= 3


def test_the_loader_of_the_system_loads_its_policy(answers: dict[str, Any]) -> None:
    assert_loaded(answers["booted"], answers["sets"][0])


def test_the_activation_script_can_be_the_trigger_on_finix(kernel: Kernel, standin: Evaluator) -> None:
    trigger = 'security.tomoyo.finit.trigger = "activation"; environment.systemPackages'
    configuration = CONFIGURATION.replace("VERSION", "1.0").replace("environment.systemPackages", trigger)
    found = run(kernel, standin, "finix", configuration)
    assert_loaded(found["booted"], found["sets"][0])
    assert found["service"]["places"].keys() == {f"3 {DOMAIN}"}


def test_a_switch_and_a_rollback_succeed(answers: dict[str, Any]) -> None:
    for name in ("switched", "rolled back"):
        assert answers[f"{name}: activation"]["status"] == 0, answers[f"{name}: activation"]["output"]
        assert answers[f"{name}: gc"]["status"] == 0, answers[f"{name}: gc"]["output"]


def test_each_generation_is_in_force_after_its_switch(answers: dict[str, Any]) -> None:
    for name, number in (("switched", 1), ("rolled back", 0)):
        held, compiled = answers[f"{name}, collected"], answers["sets"][number]
        assert lines(compiled["bindings.conf"]) <= lines(held["exception_policy"]), name
        assert lines(compiled["domain_policy.conf"]) <= lines(held["domain_policy"]), name
        assert held["profile"] == answers["booted"]["profile"]
        # The program that runs is still known by its name.
        assert bindings(answers["booted"], "1.0") & bindings(held, "1.0"), name
        service = answers[f"{name}: new service"]
        assert (service["denied"], service["allowed"], service["status"]) == (0, 0, 0), (name, service)
        assert list(service["places"]) == [f"3 {DOMAIN}"], name


def test_the_running_service_was_never_denied_and_never_unconfined(answers: dict[str, Any]) -> None:
    service = answers["service"]
    assert (service["denied"], service["allowed"], service["status"]) == (0, 0, 0)
    assert service["asked"] > 100
    assert list(service["places"]) == [f"3 {DOMAIN}"]
    assert service["places"][f"3 {DOMAIN}"] > 100


def test_what_nobody_uses_any_more_is_collected_and_nothing_else(answers: dict[str, Any]) -> None:
    # The running service still needs what it was started from.
    assert bindings(answers["switched, collected"], "1.0")
    assert bindings(answers["switched, collected"], "2.0")
    # Nothing is left of the other generation once nobody runs from it.
    collected, compiled = answers["rolled back, collected"], answers["sets"][0]
    expected = lines(compiled["exception_policy.conf"]) | lines(compiled["bindings.conf"])
    assert lines(collected["exception_policy"]) == expected
