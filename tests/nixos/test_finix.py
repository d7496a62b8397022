"""What the module makes of finix: kernel, boot, switch, tasks and services."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from .evaluation import Evaluator

ENABLED = "security.tomoyo.enable = true;"
PARTS = """{
  inherit (s.config.boot) kernelParams init supportedFilesystems;
  inherit (s.config) fileSystems;
  policy = s.config.security.tomoyo.build.policy.outPath;
  finit = "${s.config.finit.package}/bin/finit";
  activation = s.config.system.activation.scripts.tomoyo.text;
  etc = builtins.mapAttrs (_: entry: entry.text) s.config.environment.etc;
  tmpfiles = s.config.finit.tmpfiles.rules;
  scheduled = s.config.providers.scheduler.tasks;
}"""


def test_the_loader_is_in_the_store_and_the_trigger_is_finit_by_way_of_a_script(standin: Evaluator) -> None:
    found = standin.value("finix", f"{{ {ENABLED} }}", PARTS)
    assert found["kernelParams"] == [
        "lsm=landlock,yama,bpf,tomoyo",
        f"TOMOYO_loader={found['policy']}/boot",
        f"TOMOYO_trigger={found['finit']}",
    ]
    script = standin.build("finix", f"{{ {ENABLED} }}", "s.config.boot.init")
    assert script.read_text().splitlines()[1:] == [f'exec -a "$0" {found["finit"]} "$@"']


def test_that_script_keeps_the_name_it_was_called_by(standin: Evaluator, tmp_path: Path) -> None:
    """finix takes the system's path from argv[0]."""
    text = standin.build("finix", f"{{ {ENABLED} }}", "s.config.boot.init").read_text()
    finit = standin.value("finix", f"{{ {ENABLED} }}", PARTS)["finit"]
    script = tmp_path / "tomoyo-init"
    script.write_text(re.sub("/nix/store/[^ ]*/bin/bash", "/bin/bash", text).replace(finit, "/bin/cat"))
    script.chmod(0o755)
    init = tmp_path / "init"
    init.symlink_to(script)
    shown = subprocess.run([init, "/proc/self/cmdline"], capture_output=True, check=True).stdout
    assert shown.split(b"\0") == [bytes(init), b"/proc/self/cmdline", b""]


def test_the_activation_script_can_be_the_trigger_instead(standin: Evaluator) -> None:
    configuration = f'{{ {ENABLED} security.tomoyo.finit.trigger = "activation"; }}'
    found = standin.value("finix", configuration, PARTS)
    assert found["init"] == found["finit"]
    trigger = found["kernelParams"][2].removeprefix("TOMOYO_trigger=")
    assert trigger != found["finit"]
    assert found["activation"].splitlines()[0] == trigger


IMPOSSIBLE = {
    "boot.kernel.enable = false;": ["security.tomoyo.enable", "boot.kernel.enable"],
    'boot.kernelParams = [ "security=selinux" ];': ["security.tomoyo.enable", "security.tomoyo.kernel.lsm"],
    'boot.kernelParams = [ "lsm=yama" ];': ["security.tomoyo.enable", "security.tomoyo.kernel.lsm"],
    'boot.kernelParams = [ "TOMOYO_trigger=/sbin/init" ];': ["security.tomoyo.enable", "a second time"],
    'boot.init = lib.mkForce "/x";': ["security.tomoyo.finit.trigger", "boot.init"],
    'security.tomoyo.finit.trigger = "activation"; system.activation.enable = false;': [
        "security.tomoyo.finit.trigger",
        "system.activation.enable",
    ],
    'security.tomoyo.finit.trigger = "never";': ["security.tomoyo.finit.trigger", '"init"', '"activation"'],
}


@pytest.mark.parametrize("configuration", IMPOSSIBLE)
def test_where_it_cannot_work_evaluation_says_so(evaluator: Evaluator, configuration: str) -> None:
    message = evaluator.error("finix", f"{{ {ENABLED} {configuration} }}")
    for part in IMPOSSIBLE[configuration]:
        assert part in message


def test_securityfs_is_mounted_and_not_checked(evaluator: Evaluator) -> None:
    found = evaluator.value("finix", f"{{ {ENABLED} }}", PARTS)
    assert found["fileSystems"]["/sys/kernel/security"] == {
        "device": "securityfs",
        "fsType": "securityfs",
        "options": ["nosuid", "nodev", "noexec"],
        "noCheck": True,
    }
    assert found["supportedFilesystems"]["securityfs"]["enable"]


def test_a_switch_activates_and_finit_sees_a_change_of_the_policy(evaluator: Evaluator) -> None:
    found = evaluator.value("finix", f"{{ {ENABLED} }}", PARTS)
    assert "if [ -e /run/booted-system ] " in found["activation"]
    assert "tomoyo=/run/current-system/sw/bin/tomoyo\n" in found["activation"]
    assert f'"$tomoyo" activate {found["policy"]}\n' in found["activation"]
    task = found["etc"]["finit.d/tomoyo.conf"]
    assert task.startswith("task [S12345] name:tomoyo log ")
    assert task.endswith(f"/bin/tomoyo activate {found['policy']} -- TOMOYO policy")
    collecting = found["etc"]["finit.d/tomoyo-gc.conf"]
    assert "<task/tomoyo/success>" in collecting
    assert f"# {found['policy']}\n" in collecting


def test_services_are_there_when_they_are_wanted(evaluator: Evaluator) -> None:
    assert "finit.d/tomoyo-audit.conf" not in evaluator.value("finix", f"{{ {ENABLED} }}", PARTS)["etc"]
    everything = (
        f"{{ {ENABLED} security.tomoyo = {{ audit.enable = true; query.enable = true; learning.save.enable = true; }}; }}"
    )
    found = evaluator.value("finix", everything, PARTS)
    assert found["etc"]["finit.d/tomoyo-audit.conf"].startswith("service [S12345] name:tomoyo-audit <task/tomoyo/success> log ")
    assert "/bin/tomoyo-query --no-ask --rules /nix/store/" in found["etc"]["finit.d/tomoyo-query.conf"]
    assert set(found["scheduled"]) == {"tomoyo-gc", "tomoyo-save"}
    assert found["tmpfiles"] == ["d /var/lib/tomoyo 0700", "d /var/log/tomoyo 0700", "d /var/lib/tomoyo/saved 0700"]


def test_words_of_a_command_reach_the_program_as_they_are(standin: Evaluator) -> None:
    configuration = f'{{ {ENABLED} security.tomoyo.audit = {{ enable = true; extraOptions = [ "--filter" "two words" ]; }}; }}'
    copied = (
        'derivation { name = "copy"; system = builtins.currentSystem; builder = "/bin/sh";'
        ' args = [ "-c" "/bin/cat ${command} > $out; :" ]; }'
    )
    script = standin.build("finix", configuration, f"let command = s.config.finit.services.tomoyo-audit.command; in {copied}")
    assert script.read_text().endswith(" --filter 'two words'\n")
