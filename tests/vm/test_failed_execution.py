"""What is left of a transition whose execve(2) fails: the domain, and not the program."""

from __future__ import annotations

import json
from pathlib import Path

from . import machine
from .fixtures import kernel, kernel_release
from .kernels import Kernel

__all__ = ["kernel", "kernel_release"]

JOB = """
import errno, json, os
from tests.vm import guest

PROGRAM = os.path.realpath("/bin") + "/true"

def attempt(environment):
    '''What a process of the domain /a may read before and after it fails to execute PROGRAM, and where it is then.'''
    reader, writer = os.pipe()
    if not os.fork():
        own = os.open(guest.FOLDER + "/self_domain", os.O_WRONLY)
        os.write(own, b"<kernel> /a")
        found = [read()]
        try:
            os.execve(PROGRAM, ["true"], environment)
        except OSError as error:
            found += [errno.errorcode[error.errno], read(), guest.self_domain().decode()]
        os.write(writer, json.dumps(found).encode())
        os._exit(0)
    os.close(writer)
    _, status = os.wait()
    return json.loads(os.read(reader, 4096) or "[]")

def read():
    try:
        open("/run/secret").close()
    except OSError as error:
        return errno.errorcode[error.errno]
    return ""

with open("/run/secret", "w") as secret:
    secret.write("secret")
guest.activate()
guest.write("exception_policy", f"initialize_domain {PROGRAM} from any\\n".encode())
guest.write("domain_policy", f'''<kernel>
task manual_domain_transition <kernel> /a
<kernel> /a
use_profile 3
file execute {PROGRAM}
<kernel> {PROGRAM}
use_profile 3
file read/getattr /run/secret
file ioctl /run/secret 0-0xFFFFFFFF
file read/getattr securityfs:/tomoyo/self_domain
'''.encode())
answers = [attempt({"EVIL": "1"})]
guest.write("domain_policy", f"<kernel> {PROGRAM}\\nmisc env \\\\*\\n".encode())
answers.append(attempt({"EVIL": "1"}))
print(PROGRAM)
print(json.dumps(answers))
"""


def test_a_process_that_fails_to_execute_a_program_is_in_its_domain(kernel: Kernel, tmp_path: Path) -> None:
    job = tmp_path / "failing.py"
    job.write_text(JOB)
    program, answers = machine.run(kernel, job).stdout.splitlines()
    refused, executed = json.loads(answers)
    # It goes on with its own code, but with the rights of the program that it may not start like this.
    assert refused == ["EPERM", "EPERM", "", f"<kernel> {program}"]
    # Where every variable is allowed the program runs, and nothing else.
    assert executed == []
