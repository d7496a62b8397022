"""Reading the manager list."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..model.managers import ManagerPolicy
from ..model.words import DomainName, Word, domain_fault, word_fault
from .lines import Effect, Line, Listener, Reading, Report, Source, replay
from .statements import ManagerStatement, Reset, SetManager

__all__ = ["parse_manager"]

_CONTENT = "a program's path, a domain name or manage_by_non_root"


@dataclass(slots=True)
class HeldManagers:
    """The manager list, open to change; a deleted one keeps its place until collected."""

    managers: dict[Word | DomainName, bool] = field(default_factory=dict)
    manage_by_non_root: bool = False
    updates: int = 0

    def apply(self, statement: ManagerStatement) -> str | None:
        """Do what a line asks; say why where it has no effect."""
        if isinstance(statement, Reset):
            return None
        if statement.manager is None:
            self.manage_by_non_root = not statement.delete
        elif statement.delete and statement.manager not in self.managers:
            return "there is no such manager to delete"
        else:
            self.managers[statement.manager] = not statement.delete
        self.updates += 1
        return None

    def collect(self) -> None:
        """Forget deleted managers."""
        self.managers = {manager: True for manager, live in self.managers.items() if live}

    def value(self) -> ManagerPolicy:
        """The list as it stands."""
        managers = tuple(manager for manager, live in self.managers.items() if live)
        return ManagerPolicy(managers, self.manage_by_non_root)


def parse_manager(
    source: Source,
    *,
    file: str = "manager",
    reading: Reading = Reading.STRICT,
    report: Report | None = None,
) -> ManagerPolicy:
    """Parse a manager list.  Returns it, each manager once.

    Arguments:
        source: text, bytes, or an iterable of lines.
        file: the name to give in errors.
        reading: STRICT refuses lines that the kernel would drop or store as
            something else; AS_KERNEL gives what a kernel without policy, not
            yet active, would hold after SOURCE was written to it.
        report: called with each error, and reading goes on without that line.

    Raises PolicySyntaxError for the first error, reading strictly and without
    a report.

    The rules are the kernel's (security/tomoyo); the tests write the same lines to real kernels and compare.
    """
    held = HeldManagers()
    reader = read_manager_line if reading is Reading.AS_KERNEL else read_manager_content
    replay(source, reader, held.apply, Listener(file, reading, report))
    return held.value()


def read_manager_content(line: Line) -> ManagerStatement:
    """Read a line of a policy file, in which commands to a running kernel have no place."""
    statement = read_manager_line(line)
    if isinstance(statement, Reset) or statement.delete:
        line.drop(0, line.text, "a command to a running kernel, no policy", _CONTENT)
    if isinstance(statement.manager, Word) and not statement.manager.text.startswith("/"):
        line.note(Effect.USELESS, 0, line.text, "no program and no domain, so it never matches", _CONTENT)
    return statement


def read_manager_line(line: Line) -> ManagerStatement:
    """Read a line as the kernel reads what is written to manager."""
    if line.text == "reset":
        return Reset()
    delete = line.take("delete ")
    start, text = line.position, line.rest
    if text == "manage_by_non_root":
        return SetManager(None, delete)
    fault = domain_fault(text)
    if fault is None:
        return SetManager(DomainName(text), delete)
    # No domain begins with a namespace that is followed by anything but paths, and then it is no word either.
    fault = (fault if text.startswith("<") and " " in text else None) or word_fault(text)
    if fault is not None:
        line.drop(start + fault.offset, text, fault.reason, _CONTENT)
    return SetManager(Word(text), delete)
