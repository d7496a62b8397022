"""Times boot loaders on one policy: rehearsals, each in a kernel from which everything was deleted before.

Arguments: how often each runs, and how many lines it must load unless its name has "=".

The working folder has `loaders.json`, a list of [NAME, LOADER], and the folders `set` and `theirs`, which are installed as
/run/set and /etc/tomoyo; the files `NAME.sh` as /run/NAME.sh. `seconds.json` has the seconds of each run by name.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import time

from tests.vm import guest
from tests.vm.jobs.booting import execute, install


def clear() -> None:
    """Delete all domains and exceptions."""
    domains = guest.write_and_read("domain_policy", b"select transition_only").splitlines()
    names = [line for line in domains if line.startswith(b"<") and line != b"<kernel>"]
    guest.write("domain_policy", b"".join(b"%s\nuse_profile 0\ndelete %s\n" % (name, name) for name in names))
    for name in ("exception_policy", "manager"):
        guest.write(name, b"".join(b"delete %s\n" % line for line in guest.read(name).splitlines()))
    guest.settle()


def main() -> None:
    """Take turns, so that what else the host does hits all alike."""
    with open("loaders.json", encoding="ascii") as file:
        loaders = json.load(file)
    shutil.rmtree("/etc/tomoyo", ignore_errors=True)
    install("set", "/run/set")
    install("theirs", "/etc/tomoyo")
    for name in os.listdir("."):
        if name.endswith(".sh"):
            shutil.copy(name, f"/run/{name}")
            os.chmod(f"/run/{name}", 0o755)
            os.chown(f"/run/{name}", 0, 0)
    seconds: dict[str, list[float]] = {name: [] for name, _ in loaders}
    for _ in range(int(sys.argv[1])):
        for name, loader in loaders:
            clear()
            started = time.monotonic()
            execute(loader)
            seconds[name].append(time.monotonic() - started)
            loaded = guest.read("domain_policy").count(b"file read /usr/share/package")
            if loaded != int(sys.argv[2]) and "=" not in name:
                raise SystemExit(f"{name} loaded {loaded} lines")
    with open("seconds.json", "w", encoding="ascii") as file:
        json.dump(seconds, file)


if __name__ == "__main__":
    main()
