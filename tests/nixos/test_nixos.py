"""What the module makes of NixOS: kernel, boot, switch, units."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from .evaluation import Evaluator, unit_lines

ENABLED = "security.tomoyo.enable = true;"
SYSTEMD = "/run/current-system/systemd/lib/systemd/systemd"
BOOT = ["TOMOYO_loader=/run/current-system/tomoyo/boot", f"TOMOYO_trigger={SYSTEMD}"]
NOTIFY = 'notify = { enable = true; command = [ "/bin/wall" "two words" ]; };'
#: The units of what only reads, each with its program.
READING = {
    "tomoyo-audit": "tomoyo-audit",
    "tomoyo-notify": "tomoyo-notify",
    "tomoyo-query": "tomoyo-query",
    "tomoyo-save": "tomoyo-save",
    "tomoyo-save-at-shutdown": "tomoyo-save",
}
LSM_OPTION = '{ options.security.lsm = lib.mkOption { type = lib.types.listOf lib.types.str; default = [ "yama" ]; }; }'


def test_the_kernel_is_built_and_told_on_releases_without_a_list_of_security_modules(evaluator: Evaluator) -> None:
    found = evaluator.value(
        "nixos", f'{{ {ENABLED} security.tomoyo.kernel.lsm = [ "lockdown" "tomoyo" "bpf" ]; }}', "s.config.boot"
    )
    assert found["kernelParams"] == [*BOOT, "lsm=lockdown,bpf,tomoyo"]
    (patch,) = found["kernelPatches"]
    assert patch == {
        "name": "tomoyo",
        "patch": None,
        "structuredExtraConfig": {
            "SECURITY_TOMOYO": {"tristate": "y", "optional": False},
            "SECURITY_TOMOYO_OMIT_USERSPACE_LOADER": {"tristate": "n", "optional": False},
        },
    }


def test_the_list_of_security_modules_is_used_where_there_is_one(evaluator: Evaluator) -> None:
    configuration = f"{{ imports = [ {LSM_OPTION} ]; config = {{ {ENABLED} }}; }}"
    found = evaluator.value("nixos", configuration, "{ inherit (s.config.boot) kernelParams; inherit (s.config.security) lsm; }")
    assert found == {"kernelParams": BOOT, "lsm": ["tomoyo"]}


@pytest.mark.parametrize(("release", "key"), [("24.11", "extraStructuredConfig"), ("25.11", "structuredExtraConfig")])
def test_the_kernels_configuration_has_the_name_that_the_release_reads(evaluator: Evaluator, release: str, key: str) -> None:
    lib = f'(let lib = import {evaluator.library}; in lib // {{ trivial = lib.trivial // {{ release = "{release}"; }}; }})'
    found = evaluator.value(
        "nixos", f"{{ {ENABLED} }}", f"(s.extendModules {{ specialArgs.lib = {lib}; }}).config.boot.kernelPatches"
    )
    assert set(found[0]) == {"name", "patch", key}


def test_a_kernel_that_has_tomoyo_is_left_alone(evaluator: Evaluator) -> None:
    configuration = f"{{ {ENABLED} security.tomoyo.kernel.configure = false; }}"
    assert evaluator.value("nixos", configuration, "s.config.boot.kernelPatches") == []


@pytest.mark.parametrize("stage_1", ["false", "true"])
def test_the_trigger_is_what_either_stage_1_executes(evaluator: Evaluator, stage_1: str) -> None:
    configuration = f"{{ {ENABLED} boot.initrd.systemd.enable = {stage_1}; }}"
    assert BOOT[1] in evaluator.value("nixos", configuration, "s.config.boot.kernelParams")


def test_the_trigger_follows_another_program_as_pid_1(evaluator: Evaluator) -> None:
    configuration = f'{{ {ENABLED} boot.systemdExecutable = "/nix/store/x/bin/init --log-level=debug"; }}'
    assert "TOMOYO_trigger=/nix/store/x/bin/init" in evaluator.value("nixos", configuration, "s.config.boot.kernelParams")


IMPOSSIBLE = {
    "boot.isContainer = true;": ["security.tomoyo.enable", "boot.isContainer"],
    'boot.kernelParams = [ "security=apparmor" ];': ["security.tomoyo.enable", "'security='", "security.tomoyo.kernel.lsm"],
    'boot.kernelParams = [ "TOMOYO_loader=/sbin/tomoyo-init" ];': ["security.tomoyo.enable", "a second time"],
    'boot.kernelParams = [ "TOMOYO_trigger=/sbin/init" ];': ["security.tomoyo.enable", "a second time"],
    'boot.systemdExecutable = "/x"; boot.initrd.systemd.enable = true;': ["security.tomoyo.enable", "boot.systemdExecutable"],
    'boot.systemdExecutable = "systemd --log-level=debug";': ["security.tomoyo.enable", "boot.systemdExecutable"],
    "system.replaceDependencies.replacements = [ { } ];": ["security.tomoyo.enable", "system.replaceDependencies.replacements"],
}


@pytest.mark.parametrize("configuration", IMPOSSIBLE)
def test_where_it_cannot_work_evaluation_says_so(evaluator: Evaluator, configuration: str) -> None:
    message = evaluator.error("nixos", f"{{ {ENABLED} {configuration} }}")
    for part in IMPOSSIBLE[configuration]:
        assert part in message


def test_a_switch_activates_between_stopping_and_starting_services_and_collects_afterwards(evaluator: Evaluator) -> None:
    script = evaluator.value("nixos", f"{{ {ENABLED} }}", "s.config.system.activationScripts.tomoyo")
    assert script["supportsDryActivation"]
    text = script["text"]
    assert 'if [ -n "${NIXOS_ACTION:-}" ]' in text
    # The old generation's command: the kernel does not know the new one yet.
    assert "tomoyo=/run/current-system/sw/bin/tomoyo\n" in text
    assert '"$tomoyo" activate "$(readlink -f "$systemConfig/tomoyo")"\n' in text
    assert '"$tomoyo" activate --dry-run "$(readlink -f "$systemConfig/tomoyo")"\n' in text
    assert "echo tomoyo-gc.service >> /run/nixos/activation-restart-list\n" in text
    kept = evaluator.value(
        "nixos", f"{{ {ENABLED} security.tomoyo.learning.keep = true; }}", "s.config.system.activationScripts.tomoyo.text"
    )
    assert '"$tomoyo" activate --keep-learned "$(readlink -f "$systemConfig/tomoyo")"\n' in kept


def test_units_refer_to_no_generation_and_are_hardened(evaluator: Evaluator) -> None:
    everything = (
        f"{{ {ENABLED} security.tomoyo = {{ audit.enable = true; query.enable = true; learning.save.enable = true; {NOTIFY}"
        ' policies.hello.text = "<kernel> nix:/hello/bin/hello"; }; }'
    )
    found = evaluator.value(
        "nixos",
        everything,
        "{ inherit (s.config.systemd) services timers tmpfiles; policy = s.config.security.tomoyo.build.policy.outPath; }",
    )
    services = found["services"]
    assert set(services) == {"tomoyo", "tomoyo-gc", *READING}
    # A unit that changed with the policy would put the policy into the closure that it is compiled for.
    assert found["policy"] not in str(services)
    for name, service in services.items():
        assert service["unitConfig"]["ConditionSecurity"] == "tomoyo"
        settings = service["serviceConfig"]
        assert settings["ProtectSystem"] == "strict"
        assert settings["NoNewPrivileges"]
        assert settings["PrivateNetwork"]
        # What changes policy looks at all processes, and writes below /sys.
        hidden = {"ProtectKernelTunables", "ProtectProc", "ProcSubset", "PrivateUsers"}
        assert hidden & set(settings) == (hidden if name in READING else set())
        assert settings["CapabilityBoundingSet"] == ("" if name in READING else ["CAP_SYS_PTRACE", "CAP_DAC_READ_SEARCH"])
    for name, program in READING.items():
        command = services[name]["serviceConfig"]["ExecStop" if name.endswith("shutdown") else "ExecStart"]
        assert command.partition(" ")[0].endswith(f"/bin/{program}")
    loading = services["tomoyo"]
    assert loading["serviceConfig"]["ExecStart"].endswith("-tomoyo-activate")
    assert loading["serviceConfig"]["ExecReload"] == loading["serviceConfig"]["ExecStart"]
    assert "sysinit.target" in loading["before"]
    assert loading["wantedBy"] == ["sysinit.target"]
    assert not loading["unitConfig"]["DefaultDependencies"]
    assert not loading["restartIfChanged"]
    assert set(found["timers"]) == {"tomoyo-gc", "tomoyo-save"}
    assert found["timers"]["tomoyo-gc"]["timerConfig"]["OnCalendar"] == "hourly"
    assert found["tmpfiles"]["rules"] == ["d /var/log/tomoyo 0700 root root -", "d /var/lib/tomoyo/saved 0700 root root -"]


def test_systemd_rates_what_reads_as_safe(standin: Evaluator, tmp_path: Path) -> None:
    """The rest is 0.4 for root, whose the kernel's files are, and 0.1 each for the host's file system and a clock to read."""
    everything = f"audit.enable = true; query.enable = true; learning.save.enable = true; {NOTIFY}"
    units = standin.value("nixos", f"{{ {ENABLED} security.tomoyo = {{ {everything} }}; }}", "s.config.systemd.services")
    for name in READING:
        unit = tmp_path / f"{name}.service"
        unit.write_text("[Service]\n" + "".join(unit_lines(units[name]["serviceConfig"])))
        done = subprocess.run(
            ["systemd-analyze", "security", "--offline=yes", "--no-pager", str(unit)],
            capture_output=True,
            text=True,
            check=True,
        )
        (level,) = re.findall(r"Overall exposure level for \S+: ([0-9.]+)", done.stdout)
        assert float(level) <= 0.7, done.stdout


def test_a_configuration_takes_single_settings_of_a_unit_back(evaluator: Evaluator) -> None:
    configuration = (
        f"{{ {ENABLED} security.tomoyo = {{ {NOTIFY} }}; systemd.services.tomoyo-notify.serviceConfig.PrivateNetwork = false; }}"
    )
    settings = evaluator.value("nixos", configuration, "s.config.systemd.services.tomoyo-notify.serviceConfig")
    assert (settings["PrivateNetwork"], settings["NoNewPrivileges"]) == (False, True)


def test_services_are_there_only_when_they_are_wanted(evaluator: Evaluator) -> None:
    assert set(evaluator.value("nixos", f"{{ {ENABLED} }}", "s.config.systemd.services")) == {"tomoyo", "tomoyo-gc"}


def test_words_of_a_command_line_reach_the_program_as_they_are(evaluator: Evaluator) -> None:
    configuration = (
        f"""{{ {ENABLED} security.tomoyo.audit = {{ enable = true; extraOptions = [ "--filter" "50% \\"$x\\" \\\\" ]; }}; }}"""
    )
    found = evaluator.value("nixos", configuration, "s.config.systemd.services.tomoyo-audit.serviceConfig.ExecStart")
    assert found.endswith(r' --filter "50%% \"$$x\" \\"')
