"""Runs commands against the kernel: the library's in this process, others as programs.

`steps.json` is a list of steps; `answers.json` has one answer per step.

    ["tomoyo", ARGUMENT...]        the command `tomoyo`        exit code, standard output, standard error
    ["program", PATH, ARGUMENT...] any other                   the same
    ["start", PATH, ARGUMENT...]   one that goes on running    its process number
    ["stop", NUMBER]               the one that was started so null
                                   many before it (from 0)
    ["shell", SCRIPT]              by /bin/sh in /run          null
    ["read", FILE]                 an interface file           its text
    ["write", FILE, TEXT]          see the job `interfaces`    null
    ["quota"]                      leave no memory for policy  null
    ["activate", PROFILE, LINE...] with these managers         null
"""

from __future__ import annotations

import io
import json
import subprocess
from contextlib import redirect_stderr, redirect_stdout

from tests.vm import guest
from tomoyo.cli import main

Answer = object

processes: list[subprocess.Popen[bytes]] = []


def call(arguments: list[str]) -> Answer:
    """Run the command in this process, which is a manager."""
    output, messages = io.StringIO(), io.StringIO()
    with redirect_stdout(output), redirect_stderr(messages):
        status = main(arguments)
    return [status, output.getvalue(), messages.getvalue()]


def answer(step: list[str]) -> Answer:
    """Take one step."""
    match step:
        case ["tomoyo", *arguments]:
            return call(arguments)
        case ["program", *command]:
            done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
            return [done.returncode, done.stdout.decode("latin-1"), done.stderr.decode("latin-1")]
        case ["start", *command]:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
            assert process.stdout is not None
            process.stdout.readline()  # it says when it runs
            processes.append(process)
            return process.pid
        case ["stop", number]:
            processes[int(number)].kill()
            processes[int(number)].wait()
        case ["shell", script]:
            subprocess.run(["/bin/sh", "-ec", script], cwd="/run", check=True)
        case ["read", name]:
            return guest.read(name).decode("latin-1")
        case ["write", name, text]:
            guest.write(name, text.encode("latin-1"))
        case ["quota"]:
            used = guest.read("stat").partition(b"Memory used by policy:")[2].split()[0]
            guest.write("stat", b"Memory used by policy: %d\n" % int(used))
        case ["activate", profile, *managers]:
            guest.activate(profile=profile.encode(), managers=[guest.own_program(), *map(str.encode, managers)])
        case _:
            raise ValueError(f"no such step: {step}")
    return None


if __name__ == "__main__":
    with open("steps.json", encoding="ascii") as file:
        steps = json.load(file)
    with open("answers.json", "w", encoding="ascii") as result:
        json.dump([answer(step) for step in steps], result)
