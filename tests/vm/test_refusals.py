"""What the library says where the kernel refuses: each situation is a real one, and each text says what to do."""

from __future__ import annotations

import errno
import json
import os
import sys
from typing import Any

from . import machine
from .fixtures import kernel, kernel_release
from .kernels import Kernel

__all__ = ["kernel", "kernel_release"]

FOLDER = "/sys/kernel/security/tomoyo"


def ask(kernel: Kernel, *arguments: str, **options: Any) -> dict[str, Any]:
    """The answers of the job, by the name of the situation."""
    result = machine.run(kernel, "refusals", arguments=arguments, **options)
    answers: dict[str, Any] = json.loads(result.files["answers.json"])
    return answers


def test_a_kernel_without_tomoyo_among_its_modules(kernel: Kernel) -> None:
    answers = ask(kernel, "missing", command_line="lsm=capability,yama")
    (modules,) = answers["modules"]
    assert "tomoyo" not in modules
    assert answers["no tomoyo in lsm="] == [
        errno.ENOENT,
        f"{FOLDER}/profile: TOMOYO is not in the kernel's LSM list ({modules}); boot with tomoyo in lsm=",
    ]


def test_each_refusal_says_what_to_do(kernel: Kernel) -> None:
    answers = ask(kernel)
    program = os.path.realpath(sys.executable)
    for name in ("nothing refused", "manager", "user reads what all may", "no manager reads", "mounted elsewhere"):
        assert answers[name] == [], name
    assert answers["comment"][0] == "9-COMMENT=after"
    assert answers["user reads"] == [errno.EACCES, f"{FOLDER}/domain_policy: only root may do this; use sudo"]
    assert answers["user writes"] == [errno.EACCES, f"{FOLDER}/stat: only root may do this; use sudo"]
    assert answers["no such file"] == [errno.ENOENT, f"{FOLDER}/nothing: this kernel's TOMOYO has no such file"]
    number, text = answers["no manager"]
    assert number == errno.EPERM
    assert text.startswith(f"{FOLDER}/profile: this process is no manager: its domain, '<kernel>")
    assert f"not {program}, if that is an interpreter" in text
    number, text = answers["domain"]
    assert number == errno.EPERM
    assert text.startswith(f"{FOLDER}/self_domain: the domain <kernel> ")
    assert text.endswith(" has no 'task manual_domain_transition <kernel> /elsewhere', so this process stays in it")
    assert answers["not mounted"] == [
        errno.ENOENT,
        f"{FOLDER}/profile: securityfs is not mounted: 'mount -t securityfs securityfs /sys/kernel/security'",
    ]
