"""A simulated kernel that learns: what its domains do is given beforehand."""

from __future__ import annotations

from tomoyo.simulation.simulated_kernel import SimulatedKernel


class LearningKernel(SimulatedKernel):
    """When its programs ``work``, each of the domains in LEARNS that is in profile 1 has learned the entries there.

    ``works_at_once``: they do as soon as they are put into that profile.
    """

    def __init__(self, learns: dict[str, tuple[str, ...]], *, works_at_once: bool = False) -> None:
        super().__init__()
        self.learns = learns
        self.works_at_once = works_at_once

    def write(self, name: str, data: str | bytes, report: object = None) -> None:
        """Write, as to any kernel."""
        super().write(name, data)
        if self.works_at_once and b"use_profile 1\n" in (data.encode() if isinstance(data, str) else data):
            self.work()

    def work(self) -> None:
        """Let every domain do what it does."""
        for name, entries in self.learns.items():
            domain = self.holding.domain_policy()
            if any(one.name.text == name and one.profile == 1 for one in domain):
                super().write("domain_policy", f"{name}\n" + "".join(f"{entry}\n" for entry in entries))
