"""What a kernel holds, as the texts that it prints."""

from __future__ import annotations

from ..sets.directory import SetTexts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..sets.policy_set import PolicySet
    from .securityfs import Interface

__all__ = ["read_held"]

#: What is read of a kernel, in this order.
INTERFACES = ("domain_policy", "exception_policy", "profile", "manager", "stat")


def read_held_texts(interface: Interface) -> SetTexts:
    """All texts that a kernel holds, in one read of each file."""
    return SetTexts("", {name: interface.read(name) for name in INTERFACES})


def read_held(interface: Interface) -> PolicySet:
    """The same as a policy set."""
    from ..sets.policy_set import policy_set_of

    return policy_set_of(read_held_texts(interface))
