"""Lets the kernel, or a rehearsal, run a boot loader on policy sets, and tells what the kernel then holds and logged.

The working folder has `cases.json`, a list of steps that are taken in turn:

    ["shell", COMMAND]              run by /bin/sh in /run, as root
    ["install", FOLDER, TARGET]     copy FOLDER of the working folder to TARGET; `boot` in it may be executed
    ["rehearse", LOADER]            execute LOADER as the kernel would, but nothing is activated
    ["boot", TRIGGER]               execute the trigger, so that the kernel executes its loader
    ["run", PROGRAM, ARGUMENT...]   execute PROGRAM; its answer has `status` and `output` as well

After each of the last three the answer is everything that the kernel holds, and its log since the step before.
`answers.json` has these answers in order.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess

from tests.vm import guest
from tests.vm.layout import TRIGGER

INTERFACES = ("profile", "manager", "exception_policy", "domain_policy", "stat")
ENVIRONMENT = {"HOME": "/", "PATH": "/sbin:/bin:/usr/sbin:/usr/bin", "TERM": "linux"}


def log(descriptor: int) -> list[str]:
    """What was logged since the last call."""
    lines = []
    while True:
        try:
            lines.append(os.read(descriptor, 8192).decode("latin-1").partition(";")[2].partition("\n")[0])
        except BlockingIOError:
            return lines
        except BrokenPipeError:  # some were overwritten
            continue


def execute(loader: str) -> None:
    """Execute LOADER with no streams open, as a kernel thread does."""
    child = os.fork()
    if child == 0:
        os.closerange(0, 1024)
        os.chdir("/")
        os.execve(loader, [loader], ENVIRONMENT)
    os.waitpid(child, 0)


def trigger(path: str = TRIGGER) -> None:
    """Execute the trigger, a shell, without writing anything to the kernel."""
    _, status = os.waitpid(os.posix_spawn(path, [path, "-c", ":"], os.environ), 0)
    if status:
        raise OSError(f"the trigger ended with status {status}")


def install(folder: str, target: str) -> None:
    """Copy a set to where root alone may write."""
    shutil.copytree(folder, target)
    for root, _, files in os.walk(target):
        os.chmod(root, 0o755)
        os.chown(root, 0, 0)
        for name in files:
            os.chmod(os.path.join(root, name), 0o755 if name == "boot" else 0o644)
            os.chown(os.path.join(root, name), 0, 0)


def main() -> None:
    """Take the steps."""
    with open("cases.json", encoding="ascii") as file:
        steps = json.load(file)
    kernel_log = os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK)
    log(kernel_log)
    answers = []
    for step, *arguments in steps:
        if step == "shell":
            subprocess.run(["/bin/sh", "-ec", *arguments], cwd="/run", check=True)
            continue
        if step == "install":
            install(*arguments)
            continue
        log(kernel_log)
        more: dict[str, object] = {}
        if step == "rehearse":
            execute(*arguments)
        elif step == "run":
            done = subprocess.run(arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
            more = {"status": done.returncode, "output": done.stdout}
        else:
            trigger(*arguments)
        guest.settle()
        held = {name: guest.read(name).decode("latin-1") for name in INTERFACES}
        answers.append({**held, **more, "log": log(kernel_log)})
        with open("answers.json", "w", encoding="ascii") as result:
            json.dump(answers, result)


if __name__ == "__main__":
    main()
