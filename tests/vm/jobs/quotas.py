"""Sets a quota for policy, before or after more policy is loaded: `first` or `last`; `answer.json` tells what is held.

The second argument says whether policy is in force while that is done, `active`, or brought in force afterwards, `inactive`;
the third, how many bytes more than in use the quota gives at that time.
"""

from __future__ import annotations

import json
import re
import sys

from tests.vm import guest

ENTRIES = [f"file read /{'n' * 200}/{number}" for number in range(300)]


def memory() -> int:
    """The bytes that policy uses."""
    found = re.search(rb"Memory used by policy: +(\d+)", guest.read("stat"))
    assert found
    return int(found[1])


def main() -> None:
    order, state, room = sys.argv[1:]
    if state == "active":
        guest.activate()
    else:
        guest.write("profile", guest.PROFILES)
        guest.write("manager", guest.own_program() + b"\n")

    def limit() -> None:
        guest.write("stat", b"Memory used by policy: %d\n" % (memory() + int(room)))

    if order == "first":
        limit()
    guest.write("domain_policy", "\n".join(["<kernel> /loaded", "use_profile 0", *ENTRIES, ""]).encode())
    if order == "last":
        limit()
    if state == "inactive":
        guest.activate(profile=b"", managers=())
    # Now that it is in force, a quota that is reached must not stop the kernel any more.
    guest.write("domain_policy", f"<kernel> /later\nuse_profile 0\nfile read /{'l' * 3000}\n".encode())
    held = guest.read("domain_policy").decode()
    answer = {
        "entries": sum(entry in held for entry in ENTRIES),
        "later": f"file read /{'l' * 3000}\n" in held,
        "stat": guest.read("stat").decode(),
    }
    with open("answer.json", "w", encoding="ascii") as file:
        json.dump(answer, file)


if __name__ == "__main__":
    main()
