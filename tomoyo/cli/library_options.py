"""The option ``--library``: services of the policy library, for the commands that read policy sources."""

from __future__ import annotations

import argparse

from ..model.diagnostics import did_you_mean
from ..model.words import quoted
from .options import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..model.profiles import ServiceState


def add_library(parser: argparse.ArgumentParser) -> None:
    """Let PARSER take services."""
    parser.add_argument(
        "--library",
        action="append",
        default=[],
        metavar="SERVICE[=STATE]",
        help="the policy library's policy for a service, which is to disable, learn, permissive (the default) or enforce; "
        "may be repeated",
    )


def read_services(arguments: argparse.Namespace) -> dict[str, ServiceState]:
    """The services that ARGUMENTS name, each with its state.

    Raises UsageError for a state that there is not.
    """
    from ..model.profiles import STATES, ServiceState

    services: dict[str, ServiceState] = {}
    for text in arguments.library:
        name, equals, word = text.partition("=")
        if equals and word not in STATES:
            advice = did_you_mean(word, STATES) or f"a state is one of {', '.join(STATES)}"
            raise UsageError(f"--library {text}: there is no state {quoted(word)}", advice)
        services[name] = STATES[word] if equals else ServiceState.PERMISSIVE
    return services
