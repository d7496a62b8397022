"""The policy that a question is put to: files in a directory, or what the kernel holds."""

from __future__ import annotations

import argparse
import os

from .kernel_options import securityfs
from .logs import TOLD
from .messages import counted
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


def add_as_created(parser: argparse.ArgumentParser) -> None:
    """Let PARSER take that a domain may be asked about which the policy does not have."""
    parser.add_argument(
        "--as-created",
        action="store_true",
        help="accept a domain that the policy does not have: answer as for the one that the kernel would create",
    )


def may_be_asked(engine: DecisionEngine, name: str, *, as_created: bool | None) -> bool:
    """Whether the policy has the domain NAME, or the kernel could create it and AS_CREATED says that this is meant.

    If not, that is said, with what may be meant and what the kernel would
    create.  AS_CREATED is None where a command has no such option.  Raises
    UsageError for what is no domain's name.
    """
    from ..analysis.undefined import undefined_domain

    try:
        found = undefined_domain(engine, name)
    except ValueError as error:
        raise UsageError(str(error)) from None
    if found is None or (as_created and found.above is not None):
        return True
    message("error", found.problem)
    option = "; --as-created asks about that" if as_created is not None and found.above is not None else ""
    message("help", found.creation + option)
    return False


class UndefinedDomains:
    """The domains of records that the policy does not have: the first few are told of, all are counted.

    Attributes: ``records``, how many records were left out for that.
    """

    def __init__(self, engine: DecisionEngine, *, as_created: bool) -> None:
        self.records = 0
        self._engine = engine
        self._as_created = as_created
        self._left_out: set[str] = set()

    def take(self, name: str) -> bool:
        """Whether a record of the domain NAME may be answered."""
        if self._engine.domain(name) is not None:
            return True
        if name not in self._left_out:
            if len(self._left_out) == TOLD:
                message("error", "further domains that the policy does not have are only counted")
            # What is similar takes a look at all domains.
            if len(self._left_out) < TOLD and may_be_asked(self._engine, name, as_created=self._as_created):
                return True
            if self._as_created and self._can_be_created(name):
                return True
            self._left_out.add(name)
        self.records += 1
        return False

    def _can_be_created(self, name: str) -> bool:
        from ..decision.engine import UnknownDomain

        try:
            return self._engine.ancestor(name) is not None
        except UnknownDomain:
            return False

    def tell(self) -> None:
        """Say how many records were left out, if any."""
        if self.records:
            domains = counted(len(self._left_out), "domain")
            message("error", f"{counted(self.records, 'record')} of {domains} that the policy does not have: not answered")


def read_engine(arguments: argparse.Namespace) -> DecisionEngine:
    """The engine for the policy that ARGUMENTS name.

    What a kernel would drop or alter is told, and taken as the kernel would.
    Raises SecurityfsError where the kernel's own cannot be read.
    """
    from ..decision.engine import DecisionEngine
    from ..simulation.simulated_kernel import SimulatedKernel

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
