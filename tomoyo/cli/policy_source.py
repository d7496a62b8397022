"""The policy that a question is put to: files in a directory, or what the kernel holds."""

from __future__ import annotations

import argparse
import os

from .interface import securityfs
from .options import UsageError, message, place

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..decision.engine import DecisionEngine
    from ..syntax.lines import PolicySyntaxError

#: Files of a policy directory with the interface that each is for, in the order of loading.
_FILES = {
    "profile.conf": "profile",
    "exception_policy.conf": "exception_policy",
    "bindings.conf": "exception_policy",
    "domain_policy.conf": "domain_policy",
}
#: Where NixOS has the set of the running system.
_SYSTEM = "/run/current-system/tomoyo"


def add_policy(parser: argparse.ArgumentParser) -> None:
    """Let PARSER take the policy to ask."""
    group = parser.add_mutually_exclusive_group()
    group.add_argument(
        "--policy",
        metavar="DIR",
        help="domain_policy.conf and, if there, exception_policy.conf, bindings.conf and profile.conf (default: the kernel's)",
    )
    group.add_argument("--interface", metavar="DIR", help="the kernel's interface files, if not at the usual place")


def read_engine(arguments: argparse.Namespace) -> DecisionEngine:
    """The engine for the policy that ARGUMENTS name.

    What a kernel would drop or alter is told, and taken as the kernel would.
    Raises SecurityfsError where the kernel's own cannot be read.
    """
    from ..decision.engine import DecisionEngine
    from ..kernel.simulated import SimulatedKernel

    kernel = SimulatedKernel()
    if arguments.policy is not None:
        found = _read_directory(arguments.policy)
        for name, data in found.items():
            path = os.path.join(arguments.policy, name)
            kernel.write(_FILES[name], data, lambda error, path=path: _tell(path, error))  # type: ignore[misc]
        holding = kernel.holding
        profiles = holding.profile_policy() if "profile.conf" in found else None
        return DecisionEngine(holding.domain_policy(), holding.exception_policy(), profiles)
    live = securityfs(arguments)
    for interface in ("profile", "exception_policy", "domain_policy"):
        kernel.write(interface, live.read(interface))
    return DecisionEngine.of(kernel.holding)


def _read_directory(directory: str) -> dict[str, bytes]:
    found = {}
    for name in _FILES:
        try:
            with open(os.path.join(directory, name), "rb") as file:
                found[name] = file.read()
        except FileNotFoundError:
            if not os.path.isdir(directory):
                raise UsageError(f"{directory} is no directory") from None
            if name == "domain_policy.conf":
                text = f"{directory} holds no domain_policy.conf"
                if _is_source(directory):
                    text += ": it is a policy source, of which 'tomoyo compile' makes a set that has one"
                elif os.path.exists(_SYSTEM):
                    text += f"; the running system's is in {_SYSTEM}"
                raise UsageError(text) from None
    if "profile.conf" not in found:
        message("note", f"{directory} has no profile.conf: the answers are those of the entries alone")
    return found


def _is_source(directory: str) -> bool:
    return any(os.path.isdir(os.path.join(directory, name)) for name in ("domains", "exceptions", "modules"))


def _tell(path: str, error: PolicySyntaxError) -> None:
    from ..syntax.lines import Effect

    if error.effect is not Effect.COMMENT:
        place("warning", path, error)
