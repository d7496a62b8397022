"""What the library answers to the questions that jobs put to a kernel: for tests, and for `tests/ask`."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence

from tomoyo.decision.engine import DecisionEngine
from tomoyo.decision.requests import Request
from tomoyo.decision.transition import transition
from tomoyo.model.domains import DomainPolicy
from tomoyo.model.entries import Kind
from tomoyo.model.records import Execution, FileAttributes, Strings, Task
from tomoyo.model.words import Quoted
from tomoyo.simulation.simulated_kernel import BUILTIN_EXCEPTION_POLICY, SimulatedKernel
from tomoyo.syntax.kernel_policy import add_entry

from . import guest

#: Where the job `chains` puts what each program of a chain executes.
STEP = "/x/step"


def without_builtin() -> list[list[object]]:
    """Steps that take the kernel's built-in exception policy away."""
    lines = "".join(f"delete {line}\n" for line in BUILTIN_EXCEPTION_POLICY.splitlines())
    return [["write", "exception_policy", lines], ["settle"]]


def simulate(script: list[list[object]], version: str) -> list[str | None]:
    """What the job `interfaces` answers to SCRIPT."""
    simulated = SimulatedKernel(version)
    simulated.write("exception_policy", BUILTIN_EXCEPTION_POLICY)
    answers: list[str | None] = []
    for step in script:
        answer = None
        match step:
            case ["write", str(name), str(text)] if name != "self_domain":
                simulated.write(name, text.encode("latin-1"))
            case ["write_lines", str(name), [*texts]]:
                with simulated.open(name) as file:
                    for text in texts:
                        file.write(str(text).encode("latin-1"))
            case ["read", str(name)]:
                answer = simulated.read(name)
            case ["select", str(name), str(command)]:
                answer = simulated.select(name, command)
            case ["activate"]:
                simulated.write("profile", guest.PROFILES)
                simulated.write("manager", guest.own_program() + b"\n")
                simulated.activate()
        answers.append(answer)
    return answers


def loaded(policy: Iterable[tuple[str, str]], profile: bytes, version: str) -> SimulatedKernel:
    """A kernel as the jobs `chains` and `requests` have it: activated with PROFILE, then given POLICY."""
    simulated = SimulatedKernel(version)
    simulated.write("exception_policy", BUILTIN_EXCEPTION_POLICY)
    simulated.write("profile", profile)
    simulated.activate()
    for interface, text in policy:
        simulated.write(interface, text)
    return simulated


def execution(program: str, rest: Sequence[str], links: Mapping[str, str]) -> Request:
    """PROGRAM executed as the job `chains` does it, by root; LINKS are the symlinks that it made."""
    argv = (program, STEP, *rest)
    realpath = os.path.normpath(os.path.join(os.path.dirname(program), links[program])) if program in links else program
    return Request(
        Kind.PATH,
        "execute",
        (program,),
        task=Task(pid=1, ppid=1, uid=0, gid=0, euid=0, egid=0, suid=0, sgid=0, fsuid=0, fsgid=0),
        path1=FileAttributes(uid=0, gid=0, ino=1, major=0, minor=1, perm=0o755, type="file"),
        execution=Execution(Quoted(realpath), len(argv), 1, Strings(tuple(map(Quoted, argv))), Strings((Quoted("W=1"),))),
    )


def engine_for(simulated: SimulatedKernel, namespace: str) -> DecisionEngine:
    """What decides in NAMESPACE; the domains of other worlds, which nothing leads to, would only take time."""
    holding = simulated.holding
    domains = [
        held.value() for name, held in holding.domains.items() if not name.startswith("<w") or held.name.namespace == namespace
    ]
    return DecisionEngine(DomainPolicy(tuple(domains)), holding.exception_policy(), holding.profile_policy())


def walk(simulated: SimulatedKernel, domain: str, programs: Sequence[str], links: Mapping[str, str]) -> list[str]:
    """What the job `chains` answers to one chain; SIMULATED then holds what the kernel holds."""
    found: list[str] = []
    for position, program in enumerate(programs):
        outcome = transition(
            engine_for(simulated, domain.partition(" ")[0]), domain, execution(program, programs[position + 1 :], links)
        )
        held = simulated.holding.domains[domain]
        if outcome.verdict.learned is not None:
            add_entry(held.entries, outcome.verdict.learned)
        if outcome.failure is not None:
            return [*found, outcome.failure.value]
        if outcome.transition_failed is not None:
            held.flags.add("transition_failed")
        if outcome.created is not None:
            created = simulated.holding.open_domain(outcome.created.name)
            created.profile, created.groups = outcome.created.profile, set(outcome.created.groups)
        domain = outcome.domain.text
        found.append(domain)
    return found
