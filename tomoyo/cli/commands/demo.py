"""Show what TOMOYO policy by package name does, on a small sample system.

Compiles the sample's policy for one generation of the system and for the
upgraded one, compares the two, and asks what each answers to the same attack.
Needs no root, no Nix and no TOMOYO; changes nothing.

  tomoyo demo
  tomoyo demo --write sample    write the sample to the directory 'sample'

Example:

  tomoyo demo
"""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from typing import Any

from ..messages import counted
from ..options import UsageError, set_result, visible

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ...sets.policy_set import PolicySet
    from ..sample import Generation

#: A package of the same name that a user has built.
_STRANGER = "/nix/store/ssssssssssssssssssssssssssssssss-notes-1.1"
_FILES = ("domain_policy", "exception_policy", "profile", "manager", "bindings")


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("--write", metavar="DIR", help="write the sample to DIR, a new or empty directory, and show nothing")


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    from tempfile import TemporaryDirectory

    from ..sample import GENERATIONS, write_sample

    if arguments.write is not None:
        try:
            write_sample(arguments.write)
        except FileExistsError as error:
            raise UsageError(f"{arguments.write}: {error.strerror}", "give a new directory") from None
        if arguments.json:
            set_result({"directory": arguments.write})
        return 0
    with TemporaryDirectory(prefix="tomoyo-demo-") as directory:
        sample = os.path.join(directory, "sample")
        write_sample(sample)
        sets = {generation: _compile(sample, generation) for generation in GENERATIONS}
    attempts = [_attempt(sets, *each) for each in _attempts()]
    if arguments.json:
        set_result(_plain(list(sets.values()), attempts))
    else:
        sys.stdout.write(_story(list(sets.values()), attempts))
    return 0


def _compile(sample: str, generation: Generation) -> PolicySet:
    from ...nix.names.names import NameTable
    from ...nix.source.compile import compile_policy
    from ...nix.source.library import read_sources
    from ...nix.store.closure import find_root, learn_outputs
    from ...nix.store.closure_formats import read_listing
    from ...nix.store.tree import Tree

    tree = Tree(os.path.join(sample, "system"))
    closure = read_listing(os.path.join(sample, "system", "registration"))
    names = NameTable(learn_outputs(closure.restrict([find_root(generation.link, tree)]), tree))
    return compile_policy(read_sources([os.path.join(sample, "policy")]), names, tree).policy


def _attempts() -> tuple[tuple[str, tuple[str, str]], ...]:
    """What is tried: the reason, and the file that is to be read in either generation."""
    from ..sample import GENERATIONS, HELP

    older, newer = GENERATIONS
    return (
        ("An attacker runs 'notes show /etc/shadow':", ("/etc/shadow", "/etc/shadow")),
        ("A user builds another package named notes; notes is to read a file of it:", (f"{_STRANGER}/{HELP}",) * 2),
        ("Notes itself shows its help text, which moves with each upgrade:", (older.help, newer.help)),
    )


def _attempt(sets: dict[Generation, PolicySet], reason: str, paths: tuple[str, str]) -> tuple[str, list[tuple[str, str]]]:
    """REASON, and for each of SETS the request with what the engine answers."""
    from ...analysis.explanation import explain
    from ...decision.engine import DecisionEngine
    from ...decision.requests import parse_request
    from ..sample import SHOWING

    answers = []
    for policy, path in zip(sets.values(), paths):
        request = parse_request(f"file read {path}")
        found = explain(DecisionEngine.of(policy.loaded().holding), SHOWING, request)
        answers.append((request.text, found.conclusion.value))
    return reason, answers


def _plain(sets: list[PolicySet], attempts: list[tuple[str, list[tuple[str, str]]]]) -> dict[str, Any]:
    older, newer = sets
    return {
        "counts": [dict(policy.manifest["counts"]) for policy in sets],
        "changed": [name for name in _FILES if getattr(older, name) != getattr(newer, name)],
        "answers": [
            {"generation": number, "request": request, "answer": answer}
            for _, answers in attempts
            for number, (request, answer) in enumerate(answers, 1)
        ],
    }


def _story(sets: list[PolicySet], attempts: list[tuple[str, list[tuple[str, str]]]]) -> str:
    from ...sets.directory import FILES

    older, newer = sets
    lines = [
        "The sample is a system with two packages, busybox and notes, and an enforced policy for notes.",
        "Generation 2 has a newer notes and a rebuilt busybox, so every store hash differs.",
        "",
        "1. Compile the policy for both generations",
        "",
    ]
    for number, policy in enumerate(sets, 1):
        counts = policy.manifest["counts"]
        said = (counted(counts["domains"], "domain"), counted(counts["entries"], "entry", "entries"))
        lines.append(f"   generation {number}: {', '.join(said)}, {counted(counts['store_paths'], 'store path')}")
    lines += ["", "2. Compare the two policy sets", ""]
    for name in _FILES:
        same = getattr(older, name) == getattr(newer, name)
        lines.append(f"   {FILES[name]:<22} {'same' if same else 'differs'}")
    lines += ["", "   The policy names a file by its package; a binding ties the name to a store path:", ""]
    lines += [f"     file read @nix:/notes/{_help()}"]
    lines += [f"   {sign} {_binding(policy)}" for sign, policy in zip("-+", sets)]
    lines += ["", "3. Ask what each generation answers", ""]
    for reason, answers in attempts:
        lines.append(f"   {reason}")
        lines += [f"     generation {number}: {answer:<8} {request}" for number, (request, answer) in enumerate(answers, 1)]
        lines.append("")
    lines += ["4. Try it yourself", ""]
    lines += [f"   $ {command}" for command in _commands()]
    return "".join(f"{visible(line)}\n" for line in lines)


def _help() -> str:
    from ..sample import HELP

    return HELP


def _binding(policy: PolicySet) -> str:
    """The line of POLICY that binds the help text."""
    return next(line for line in policy.bindings.splitlines() if line.startswith(f"path_group nix:/notes/{_help()} "))


def _commands() -> list[str]:
    """Commands that go on from here, by the name that this one was called by."""
    from ..sample import GENERATIONS, SHOWING

    program, variable = "tomoyo", []
    if os.path.basename(sys.argv[0]) != program:
        package = __package__.rpartition(".cli")[0]
        top = os.path.abspath(__file__)
        for _ in range(package.count(".") + 4):
            top = os.path.dirname(top)
        program = f"python3 -m {package}"
        variable = [f"export PYTHONPATH={shlex.quote(top)}"]
    return [
        *variable,
        f"{program} demo --write sample && cd sample",
        f"{program} compile -o result-1",
        f"{program} compile -o result-2 --closure {GENERATIONS[1].link}",
        f"{program} plan result-1 result-2",
        f"{program} explain --policy result-2 '{SHOWING}' file read /etc/shadow",
    ]
