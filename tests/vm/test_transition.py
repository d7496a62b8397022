"""Domain transition against a real kernel: random policies, and chains of programs executed under them.

The policy changes on the way: domains are created, learning mode adds entries. In the end the kernel must hold what we say.
"""

from __future__ import annotations

import json
import random
from collections.abc import Sequence

from tests.seeds import rounds
from tomoyo.model.exception_policy import TRANSITION_CONTROLS

from . import machine
from .answers import STEP, loaded, walk
from .fixtures import kernel, kernel_release
from .jobs.chains import PROFILE
from .kernels import Kernel

__all__ = ["kernel", "kernel_release"]

WORLDS = rounds(20)
CHAINS = 10
"""In each world, which is a namespace with a policy of its own."""

LINKS = {"/x/s": "a", "/x/d/s": "../b"}
PROGRAMS = ("/x/a", "/x/b", "/x/c", "/x/d/a", "/x/d/b")
EXECUTED = (*PROGRAMS, *LINKS)
PATTERNS = (
    *EXECUTED,
    "/x/\\*",
    "/x/\\?",
    "/x/d/\\*",
    "/\\{\\*\\}/a",
    "/x/\\*\\-c",
    "/z",
    "nix:/p/bin/p",
    "nix:/p/\\{\\*\\}/p",
    "@g",
    "@h",
)
WORDS = ("/x/a", "/x/b", "/x/\\*", "/x/d/a", "/z", "nix:/p/bin/p", "/x/\\?")
CONDITIONS = (
    *("task.uid=0", "task.uid=1", "exec.argc=2-3", "exec.argc!=2", 'exec.argv[1]="/x/\\*"', 'exec.argv[2]="/x/a"', "path1.uid=0"),
    *('exec.argv[2]!="/x/a"', 'exec.realpath="/x/\\?"', "exec.realpath!=@g", 'exec.envp["W"]="1"', 'exec.envp["W"]=NULL'),
    *(
        'exec.envp["NO"]=NULL',
        'exec.envp["NO"]!="x"',
        "path1.type=file",
        "path1.perm=setuid",
        "path1.perm=owner_read",
        "0=exec.envc",
    ),
)
FOREIGN = ("<v>", "</x/a>", "</x/\\*>", "<kernel> /k", "<none> /x/a", "<v> /x/a", "<nix:/p/bin/p>")


class World:
    """A namespace with random policy."""

    def __init__(self, draw: random.Random, number: int) -> None:
        self.draw = draw
        self.name = f"<w{number}>"
        count = draw.randint(3, 8)
        self.domains = [self.name, *(self.domain(draw.choice((1, 1, 2, 3))) for _ in range(count))]

    def domain(self, depth: int) -> str:
        """Some domain name."""
        return " ".join([self.name, *(self.draw.choice(WORDS) for _ in range(depth))])

    def place(self) -> str:
        """What may stand behind `from`."""
        return self.draw.choice(("any", "any", self.draw.choice(WORDS), self.draw.choice(self.domains), self.domain(1)))

    def preference(self) -> str:
        """A transition preference or nothing."""
        usual = ("keep", "child", "reset", "initialize", "parent", "/x/q", self.draw.choice(self.domains), self.domain(1))
        return self.draw.choice(("",) * 12 + usual + (self.draw.choice(FOREIGN),))

    def entry(self) -> str:
        """An entry, mostly about execution."""
        draw = self.draw
        if draw.random() < 0.1:
            return f"file read/execute {draw.choice(PATTERNS)}"
        conditions = draw.sample(CONDITIONS, draw.choice((0, 0, 0, 1, 2)))
        return " ".join(filter(None, ["file execute", draw.choice(PATTERNS), self.preference(), *conditions]))

    def exception_policy(self) -> str:
        """Aggregators, transition control, groups and shared entries."""
        draw = self.draw
        lines = [f"path_group {draw.choice('gh')} {draw.choice(PATTERNS[:-2])}" for _ in range(draw.randint(0, 4))]
        lines += [
            f"aggregator {draw.choice(PATTERNS[:-2])} {draw.choice(WORDS[:2] + WORDS[3:6])}" for _ in range(draw.randint(0, 3))
        ]
        for _ in range(draw.randint(0, 6)):
            lines.append(f"{draw.choice(TRANSITION_CONTROLS)} {draw.choice(('any', *WORDS, *WORDS))} from {self.place()}")
        lines += [f"acl_group {draw.randint(0, 2)} {self.entry()}" for _ in range(draw.randint(0, 3))]
        return "".join(f"{self.name} {line}\n" for line in lines)

    def domain_policy(self) -> str:
        """Domains, each with a profile, groups and entries."""
        lines = []
        for domain in self.domains:
            lines += [domain, f"use_profile {self.draw.choice((4, 5, 6, 6, 7, 7))}"]
            lines += [f"use_group {group}" for group in range(3) if self.draw.random() < 0.2]
            lines += [self.entry() for _ in range(self.draw.randint(0, 5))]
        return "".join(f"{line}\n" for line in lines)

    def chain(self) -> list[str]:
        """A domain, and programs to execute from it."""
        return [self.draw.choice(self.domains), *(self.draw.choice(EXECUTED) for _ in range(self.draw.randint(1, 5)))]


def policy(worlds: Sequence[World]) -> list[tuple[str, str]]:
    """What is written to the kernel once it is active."""
    profiles = [line for line in PROFILE.decode().splitlines() if line]
    domains = [f"task manual_domain_transition {domain}\n" for world in worlds for domain in world.domains]
    return [
        ("profile", "".join(f"{world.name} {line}\n" for world in worlds for line in profiles)),
        ("exception_policy", "".join(world.exception_policy() for world in worlds)),
        ("domain_policy", "".join(world.domain_policy() for world in worlds)),
        # No profile is defined in their namespaces, except in one.
        ("profile", "".join(f"</x/a> {line}\n" for line in profiles)),
        ("domain_policy", "<v>\n</x/a>\nuse_profile 6\n<nix:/p/bin/p>\n<kernel> /k\n<kernel>\n" + "".join(domains)),
    ]


def test_chains_of_programs(kernel: Kernel, draw: random.Random) -> None:
    worlds = [World(draw, number) for number in range(WORLDS)]
    written = policy(worlds)
    chains = [world.chain() for world in worlds for _ in range(CHAINS)]
    script = {"policy": written, "programs": PROGRAMS, "links": LINKS, "step": STEP, "chains": chains}
    result = machine.run(kernel, "chains", files={"script.json": json.dumps(script).encode()})
    answers = json.loads(result.files["answers.json"])

    simulated = loaded(written, PROFILE, kernel.version)
    ours = [walk(simulated, domain, programs, LINKS) for domain, *programs in chains]
    different = [(chain, real, own) for chain, real, own in zip(chains, answers, ours, strict=True) if real != own]
    assert different == []
    assert simulated.read("domain_policy") == result.files["domain_policy"].decode()
    ends = [answer[-1] for answer in answers]
    assert all(ends.count(error) for error in ("EPERM", "ENOMEM"))
    assert sum(not end.startswith("E") for end in ends) > len(chains) / 3
