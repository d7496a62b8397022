"""The policy that a question is put to: whatever holds one, or what the kernel holds."""

from __future__ import annotations

import argparse
import re
from itertools import islice

from .closure_options import read_closure
from .library_options import add_library, read_services
from .logs import TOLD
from .messages import counted
from .options import UsageError, add_all, message, report
from .policy_files import policy_errors, read_policy, source_form
from .project import FILE, let_source

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ..decision.engine import DecisionEngine
    from ..model.domains import DomainPolicy
    from ..model.exception_policy import ExceptionPolicy


def add_policy(parser: argparse.ArgumentParser) -> None:
    """Let PARSER take the policy to ask."""
    group = parser.add_mutually_exclusive_group()
    group.add_argument(
        "--policy",
        metavar="PATH",
        help="the policy to ask: a policy source, a policy set, or a file of either (default: the kernel's)",
    )
    let_source(parser, "policy")
    group.add_argument("--interface", metavar="DIR", help="the kernel's interface files, if not at the usual place")
    add_all(parser)
    add_library(parser)


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
    option = "; --as-created asks about that" if as_created is not None and found.above is not None else ""
    advice = f"{found.meant} " * bool(found.meant) + with_modules(found.creation, engine) + option
    message("error", found.problem, advice, code="undefined-domain")
    return False


def with_modules(text: str, engine: DecisionEngine) -> str:
    """TEXT, an answer of ENGINE, with modules by their names, as its policy source calls them."""
    for number, name in engine.modules.items():
        text = re.sub(rf"\bacl_group {number}\b", f"module {name}", text)
    return text


#: How many characters of their names are remembered.
_ROOM = 1 << 21


class UndefinedDomains:
    """The domains of records that the policy does not have: the first few are told of, the others are counted.

    Whoever makes millions of domains with long names has some of them counted more than once.

    Attributes: ``records``, how many records were left out for that.
    """

    def __init__(self, engine: DecisionEngine, *, as_created: bool) -> None:
        self.records: int = 0
        self._engine = engine
        self._as_created = as_created
        self._left_out: set[str] = set()
        self._left_out_before = 0
        self._room = _ROOM

    def take(self, name: str) -> bool:
        """Whether a record of the domain NAME may be answered."""
        if self._engine.domain(name) is not None:
            return True
        if name not in self._left_out:
            if len(self._left_out) == TOLD:
                message("error", "further domains that the policy does not have are only counted", code="undefined-domain")
            # What is similar takes a look at all domains.
            if len(self._left_out) < TOLD and may_be_asked(self._engine, name, as_created=self._as_created):
                return True
            if self._as_created and self._can_be_created(name):
                return True
            self._leave_out(name)
        self.records += 1
        return False

    def _leave_out(self, name: str) -> None:
        self._room -= len(name)
        if self._room < 0 and len(self._left_out) > TOLD:
            self._left_out_before += len(self._left_out) - TOLD - 1
            self._left_out = set(islice(self._left_out, TOLD + 1))
            self._room = _ROOM
        self._left_out.add(name)

    def _can_be_created(self, name: str) -> bool:
        from ..decision.engine import UnknownDomain

        try:
            return self._engine.ancestor(name) is not None
        except UnknownDomain:
            return False

    def tell(self) -> None:
        """Say how many records were left out, if any."""
        if self.records:
            domains = counted(self._left_out_before + len(self._left_out), "domain")
            message(
                "error",
                f"{counted(self.records, 'record')} of {domains} that the policy does not have: not answered",
                code="undefined-domain",
            )


def read_engine(arguments: argparse.Namespace) -> DecisionEngine:
    """The engine for the policy that ARGUMENTS name.

    What a kernel would drop or alter is reported, and taken as the kernel would.
    Raises SecurityfsError where the kernel's own cannot be read.
    """
    from ..nix.source.loader import KERNEL, combine_files

    if arguments.policy is not None:
        form = source_form(arguments)
        found = [read_policy(path, None, form=form, default="domain") for path in policy_paths(arguments)]
        if form:
            message("note", f"the policy that is asked is {' and '.join(arguments.policy)}, as {FILE} says", code="project-file")
    else:
        found = [read_policy(arguments.interface or KERNEL, None, form="KERNEL")]
    with policy_errors():
        loaded = combine_files(found, services=read_services(arguments), bindings=_bindings(arguments), report=report)
    for note in loaded.notes:
        message("note", note, code="answers")
    return loaded.engine()


def policy_paths(arguments: argparse.Namespace) -> list[str]:
    """The policy that ARGUMENTS name, or the policy sources of the project."""
    policy = arguments.policy
    return [policy] if isinstance(policy, str) else list(policy or ())


def _bindings(arguments: argparse.Namespace) -> Callable[[DomainPolicy, ExceptionPolicy], ExceptionPolicy] | None:
    """What ties names to the store paths of the closure that ARGUMENTS name; None where they name none."""
    if not arguments.closure and not arguments.closure_file:
        return None

    def bindings(domains: DomainPolicy, exceptions: ExceptionPolicy) -> ExceptionPolicy:
        from ..nix.names.binder import bind
        from ..nix.names.name_uses import policy_uses

        trusted = read_closure(arguments)
        uses = policy_uses(domains, exceptions)
        return bind(uses, trusted.names, trusted.tree, exceptions=exceptions, links=trusted.links).policy

    return bindings
