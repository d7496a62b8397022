"""How fast the boot loader is on a policy of 10,000 lines, with each shell, as ratios to tomoyo-init; in one virtual machine.

The best of several rehearsals counts.  tomoyo-init checks nothing, and starts no shell and no cat.  The modules for NixOS and
finix take a busybox like the one that is measured: static, with cat and ls inside.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

from tests.vm import kernels, machine
from tomoyo.boot.loader import boot_script

from ._size import sizes, times

TIMES = times(6)
(LINES,) = sizes(10_000)
#: Where cat and ls are; whoever compiles a set knows it, as tomoyo-init's path is known.
FOLDER = os.path.dirname(os.path.realpath(shutil.which("ls") or "/usr/bin/ls"))
SHELLS = {"dash": "/bin/dash", "busybox": "/bin/busybox sh", "bash": "/bin/bash"}
PROFILES = "PROFILE_VERSION=20150505\n" + "".join(
    f"{number}-COMMENT={mode}\n{number}-PREFERENCE={{ max_audit_log=1024 max_learning_entry=2048 }}\n"
    f"{number}-CONFIG={{ mode={mode} grant_log=no reject_log=yes }}\n"
    for number, mode in enumerate(("disabled", "learning", "permissive", "enforcing"))
)
DOMAINS = "<kernel>\nuse_profile 0\n\n" + "".join(
    f"<kernel> /usr/bin/p{domain}\nuse_profile 3\n\n"
    + "".join(f"file read /usr/share/package{domain}/folder/file{number}.so\n" for number in range(97))
    + "\n"
    for domain in range(max(1, LINES // 100))
)
SET = {
    "profile.conf": PROFILES,
    "manager.conf": "/usr/bin/tomoyo\n",
    "exception_policy.conf": "initialize_domain /usr/bin/a from any\naddress_group NET 10.0.0.0-10.255.255.255\n",
    "domain_policy.conf": DOMAINS,
}


def main() -> int:
    """Measure, and print."""
    init = shutil.which("tomoyo-init", path="/sbin:/usr/sbin")
    try:
        kernel = kernels.kernel("6.1")
    except kernels.Unavailable as reason:
        print(f"skipped: {reason}")
        return 0
    if init is None:
        print("skipped: there is no tomoyo-init")
        return 0
    sizes = {name: len(text) for name, text in SET.items()}
    files = {f"set/{name}": text.encode() for name, text in SET.items()}
    # It complains about a file that is not there.
    files |= {f"theirs/{name}": text.encode() for name, text in {**SET, "stat.conf": ""}.items()}
    loaders = [["tomoyo-init", init]]
    for name, shell in SHELLS.items():
        files[f"{name}.sh"] = boot_script("/run/set", interpreter=shell, sizes=sizes, search_path=[FOLDER]).encode()
        loaders.append([name, f"/run/{name}.sh"])
    for path in map(Path, sys.argv[1:]):  # other loaders of /run/set, to compare with
        files[f"{path.stem}.sh"] = path.read_bytes()
        loaders.append([path.stem, f"/run/{path.stem}.sh"])
    files["loaders.json"] = json.dumps(loaders).encode()
    result = machine.run(
        kernel, "boot_speed", arguments=[str(TIMES), str(DOMAINS.count("file read"))], files=files, processors=2, timeout=1800
    )
    seconds = {name: min(times) for name, times in json.loads(result.files["seconds.json"]).items()}
    for name, value in seconds.items():
        print(f"{name:<20} {value:>8.3f} s   {value / seconds['tomoyo-init']:>6.2f} times tomoyo-init")
    return 0


if __name__ == "__main__":
    sys.exit(main())
