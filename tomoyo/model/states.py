"""States of services and policies: the mode that each stands for, and the words that people write for it."""

from __future__ import annotations

from enum import Enum

from .profiles import Mode


class ServiceState(Enum):
    """What becomes of a request that a service's policy does not grant; the value is the profile that says so."""

    DISABLE = 0
    LEARN = 1
    PERMISSIVE = 2
    ENFORCE = 3

    @property
    def mode(self) -> Mode:
        """The mode that the profile must have."""
        return _MODES[self]


_MODES = {
    ServiceState.DISABLE: Mode.DISABLED,
    ServiceState.LEARN: Mode.LEARNING,
    ServiceState.PERMISSIVE: Mode.PERMISSIVE,
    ServiceState.ENFORCE: Mode.ENFORCING,
}
#: The states by the words that people write: their names, and the kernel's modes.
STATES = {state.name.lower(): state for state in ServiceState} | {mode.value: state for state, mode in _MODES.items()}
