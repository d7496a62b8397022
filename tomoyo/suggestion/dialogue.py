"""Going through suggestions one after another, without any input or output of its own.

Whoever shows them, on a terminal or in a window, shows ``current`` and calls
what was chosen.  ``state`` is plain data that can be kept in a file: a dialogue
that is given it begins where the other ended.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from ..model.entries import Entry
from ..model.errors import InvalidValueError
from ..model.words import quoted
from ..syntax.entries import read_entry
from ..syntax.lines import read_line
from .suggestions import Suggestion

__all__ = ["Choice", "Decision", "SuggestionDialogue"]


class Choice(Enum):
    """What was chosen for a suggestion."""

    ALLOW = "allow"  # what was seen, and nothing else
    GENERALISE = "generalise"  # the entry that the rules make
    EDIT = "edit"  # an entry that someone wrote
    DENY = "deny"  # never: it is not asked again
    SKIP = "skip"  # not now: another dialogue asks again


@dataclass(frozen=True, slots=True)
class Decision:
    """A choice, and what it adds to the policy."""

    choice: Choice
    entries: tuple[Entry, ...] = ()


class SuggestionDialogue:
    """The suggestions that are not decided yet, one after another.

    Arguments:
        state: what another dialogue's ``state`` gave; choices for suggestions that
            are not among SUGGESTIONS are kept as they are.

    Raises InvalidValueError for a state that no dialogue gave.
    """

    def __init__(self, suggestions: Iterable[Suggestion], state: Mapping[str, Any] | None = None) -> None:
        self.suggestions: dict[str, Suggestion] = {suggestion.key: suggestion for suggestion in suggestions}
        self.decisions: dict[str, Decision] = _read_state(state) if state is not None else {}
        self._open = [key for key in self.suggestions if not self._is_decided(key)]
        self._position = 0
        self._history: list[tuple[str, Decision | None]] = []

    @property
    def current(self) -> Suggestion | None:
        """What is to be decided; None when everything is."""
        return self.suggestions[self._open[self._position]] if self._position < len(self._open) else None

    @property
    def left(self) -> int:
        """How many are still to be decided, the current one among them."""
        return len(self._open) - self._position

    def allow(self) -> None:
        """Add what was seen.  Raises InvalidValueError where not all of that is known any more."""
        current = self._asked()
        if not current.complete:
            raise InvalidValueError("more names were seen than are remembered: generalise, edit or deny")
        self._decide(Decision(Choice.ALLOW, current.exact))

    def generalise(self) -> None:
        """Add the entry that the rules make.  Raises InvalidValueError where there is none."""
        current = self._asked()
        if current.general is None:
            raise InvalidValueError("no rule is for this: allow, edit or deny")
        self._decide(Decision(Choice.GENERALISE, (current.general,)))

    def edit(self, text: str) -> None:
        """Add the entry that TEXT is.  Raises InvalidValueError where a kernel would not take it as it is."""
        self._asked()
        self._decide(Decision(Choice.EDIT, (parse_entry(text),)))

    def deny(self) -> None:
        """Add nothing, and do not ask again."""
        self._asked()
        self._decide(Decision(Choice.DENY))

    def skip(self) -> None:
        """Add nothing now."""
        self._asked()
        self._decide(Decision(Choice.SKIP))

    def undo(self) -> bool:
        """Go back to the one before; gives whether there is one that was decided here."""
        if not self._history:
            return False
        key, before = self._history.pop()
        if before is None:
            del self.decisions[key]
        else:
            self.decisions[key] = before
        self._position -= 1
        return True

    def chosen(self) -> list[tuple[Suggestion, tuple[Entry, ...]]]:
        """What is to be added to the domain of each suggestion."""
        return [
            (suggestion, self.decisions[key].entries)
            for key, suggestion in self.suggestions.items()
            if key in self.decisions and self.decisions[key].entries
        ]

    def state(self) -> dict[str, Any]:
        """All that was decided, as plain data.  What was skipped is asked again."""
        return {
            "version": 1,
            "decisions": {
                key: {"choice": decision.choice.value, "entries": [entry.text for entry in decision.entries]}
                for key, decision in self.decisions.items()
                if decision.choice is not Choice.SKIP
            },
        }

    def _is_decided(self, key: str) -> bool:
        decision = self.decisions.get(key)
        if decision is None:
            return False
        # Who allowed what had been seen was not asked about what was seen since.
        return decision.choice is not Choice.ALLOW or set(self.suggestions[key].exact) <= set(decision.entries)

    def _asked(self) -> Suggestion:
        if self.current is None:
            raise InvalidValueError("everything is decided")
        return self.current

    def _decide(self, decision: Decision) -> None:
        key = self._open[self._position]
        self._history.append((key, self.decisions.get(key)))
        self.decisions[key] = decision
        self._position += 1


def parse_entry(text: str) -> Entry:
    """The entry that TEXT is.  Raises InvalidValueError where a kernel would drop or alter it."""
    entry, problems = read_line(text, read_entry)
    if not isinstance(entry, Entry):
        raise InvalidValueError(f"no entry: {problems[0].message if problems else 'nothing is there'}")
    if problems:
        raise InvalidValueError(f"a kernel would not take this as it is: {problems[0].message}")
    return entry


def _read_state(state: Mapping[str, Any]) -> dict[str, Decision]:
    try:
        if state["version"] != 1:
            raise InvalidValueError(f"a state of version {quoted(state['version'])}")
        return {
            str(key): Decision(Choice(decision["choice"]), tuple(parse_entry(text) for text in decision["entries"]))
            for key, decision in state["decisions"].items()
        }
    except (KeyError, TypeError, AttributeError) as error:
        raise InvalidValueError(f"no state of a dialogue: {quoted(error)}") from None
