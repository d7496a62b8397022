"""Print policy files as the kernel would print them, with the comments that they have.

A comment stays before the line that it stands before, or at the end of its
domain; groups of entries keep one blank line between them, unless with --sort.
With --as-kernel: what a kernel without policy, not yet active, would hold
after each file was written to it; lines that it would drop or alter are
warnings.  Without, such lines are errors and nothing is printed.

Example:

  tomoyo fmt policy/domain_policy.conf
"""

from __future__ import annotations

import argparse
from dataclasses import replace

from ...syntax.lines import PolicySyntaxError
from ..options import UsageError, message, print_policy, replace_file, report, set_result
from ..policy_files import INTERFACES, PolicyFile, add_files, read_files
from ..progress import Progress
from ..project import let_source

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ...model.kernel_versions import KernelVersion
    from ..policy_files import Policy


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add_files(parser)
    let_source(parser, "files")
    parser.add_argument("--as-kernel", action="store_true", help="print what a kernel would hold")
    parser.add_argument("--kernel", type=release, metavar="VERSION", help="the version of that kernel (default: 6.1)")
    parser.add_argument("--sort", action="store_true", help="sort, as far as order does not count")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--check", action="store_true", help="print nothing; exit with 1 if a file is not canonical")
    how.add_argument("-i", "--in-place", action="store_true", help="replace each file by its canonical text")


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    if arguments.kernel is not None and not arguments.as_kernel:
        raise UsageError("--kernel goes with --as-kernel")
    files = read_files(arguments)
    # All of them before any is printed or replaced: one bad file, and nothing happens.
    policies = [policy for file in files if (policy := _policy(file, arguments)) is not None]
    if len(policies) < len(files):
        return 2
    if arguments.json and not (arguments.check or arguments.in_place):
        found = [file.plain(policy) for file, policy in zip(files, policies)]
        set_result(found if len(files) > 1 else found[0])
        return 0
    texts = [_text(file, policy, arguments) for file, policy in zip(files, policies)]
    if arguments.check:
        return _check(files, texts)
    if arguments.in_place:
        return _replace(files, texts)
    print_policy("".join(texts))
    return 0


def _policy(file: PolicyFile, arguments: argparse.Namespace) -> Policy | None:
    """The policy to print; None where the file has errors, which are then told."""
    errors: list[PolicySyntaxError] = []
    if arguments.as_kernel:
        policy = _held_by_kernel(file, arguments.kernel)
    else:
        with Progress() as progress:
            progress(f"reading {file.name}")
            policy = file.parse(errors.append)
    for error in errors:
        report(error.diagnostic())
    if errors:
        return None
    return _sorted(policy) if arguments.sort else policy


def release(argument: str) -> KernelVersion:
    """A kernel's version."""
    from ...model.kernel_versions import kernel_version

    try:
        return kernel_version(argument)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _held_by_kernel(file: PolicyFile, version: KernelVersion | None) -> Policy:
    from ...model.diagnostics import Place, Severity
    from ...model.kernel_versions import DEFAULT_KERNEL
    from ...simulation.simulated_kernel import SimulatedKernel

    if file.kind in ("module", "numbers"):
        raise UsageError("a kernel holds no modules", "leave out --as-kernel", place=Place(file.name))
    kernel = SimulatedKernel(version or DEFAULT_KERNEL)
    kernel.write(INTERFACES[file.kind], file.data, lambda error: report(error.diagnostic(Severity.WARNING, file.name)))
    holding = kernel.holding
    if file.kind == "domain":
        return holding.domain_policy()
    if file.kind == "exception":
        return holding.exception_policy()
    if file.kind == "profile":
        return holding.profile_policy()
    return kernel.managers.value() if file.kind == "manager" else kernel.stat().settings()


def _text(file: PolicyFile, policy: Policy, arguments: argparse.Namespace) -> str:
    if not arguments.as_kernel:
        from ...syntax.policy_text import format_text

        return format_text(file.text, file.write(policy), groups=not arguments.sort)
    from ...model.managers import ManagerPolicy

    if isinstance(policy, ManagerPolicy):
        # A kernel knows it, but does not print it.
        policy = replace(policy, manage_by_non_root=False)
    return file.write(policy)


def _sorted(policy: Policy) -> Policy:
    from ...analysis.sorting import sort_domain_policy, sort_exception_policy, sort_managers
    from ...model.domains import DomainPolicy
    from ...model.exception_policy import ExceptionPolicy
    from ...model.managers import ManagerPolicy

    if isinstance(policy, DomainPolicy):
        return sort_domain_policy(policy)
    if isinstance(policy, ExceptionPolicy):
        return sort_exception_policy(policy)
    return sort_managers(policy) if isinstance(policy, ManagerPolicy) else policy


def _check(files: list[PolicyFile], texts: list[str]) -> int:
    different = [file for file, text in zip(files, texts) if text.encode("latin-1") != file.data]
    set_result([{"file": file.name, "canonical": file not in different} for file in files])
    for file in different:
        message("note", f"{file.name} is not canonical", f"run 'tomoyo fmt -i {file.name}'", code="not-canonical")
    return 1 if different else 0


def _replace(files: list[PolicyFile], texts: list[str]) -> int:
    for file in files:
        if file.name == "<stdin>":
            raise UsageError("standard input cannot be replaced: name a file")
    different = [(file, text) for file, text in zip(files, texts) if text.encode("latin-1") != file.data]
    for file, text in different:
        replace_file(file.name, text)
    set_result([{"file": file.name} for file, _ in different])
    return 0
