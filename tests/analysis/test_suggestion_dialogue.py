"""Going through suggestions: choices, undo, and going on another day."""

from __future__ import annotations

import json

import pytest

from tomoyo.suggestion.dialogue import SuggestionDialogue
from tomoyo.suggestion.generalisation import BUILT_IN_RULES
from tomoyo.suggestion.suggestions import Suggestion, policy_of
from tomoyo.syntax.formatting import format_domain_policy

from .test_suggestion import record, suggest


def some(*requests: str) -> list[Suggestion]:
    return suggest(map(record, requests), tuple(BUILT_IN_RULES.values()))


REQUESTS = ("file read /a1", "file write /b", "file read proc:/4/x")


def added(dialogue: SuggestionDialogue) -> list[str]:
    return [str(entry) for _, entries in dialogue.chosen() for entry in entries]


def test_each_choice() -> None:
    dialogue = SuggestionDialogue(some(*REQUESTS, "file read /c"))
    assert dialogue.left == 4
    dialogue.generalise()
    dialogue.deny()
    dialogue.allow()
    dialogue.edit("file  read /c\\*")
    assert (dialogue.current, dialogue.left) == (None, 0)
    assert added(dialogue) == [r"file read /a\$", "file read proc:/4/x", r"file read /c\*"]
    assert format_domain_policy(policy_of(dialogue.chosen())).startswith("<kernel> /bin/sh\nuse_profile 3\n\nfile read /a\\$\n")
    with pytest.raises(ValueError, match="everything is decided"):
        dialogue.deny()


@pytest.mark.parametrize(
    "text", ["", "read /c", "file read", "use_profile 3", "<kernel>", "file read /x y=1", "file read /\u00e4"]
)
def test_what_is_no_entry_is_not_taken(text: str) -> None:
    dialogue = SuggestionDialogue(some("file read /c"))
    with pytest.raises(ValueError, match=r"no entry|would not take"):
        dialogue.edit(text)
    assert dialogue.left == 1


def test_what_cannot_be_chosen() -> None:
    many = SuggestionDialogue(some(*(f"file read proc:/{number}/x" for number in range(20))))
    with pytest.raises(ValueError, match="than are remembered"):
        many.allow()
    plain = SuggestionDialogue(some("file read /c"))
    with pytest.raises(ValueError, match="no rule"):
        plain.generalise()
    assert plain.left == many.left == 1


def test_undo() -> None:
    dialogue = SuggestionDialogue(some(*REQUESTS))
    assert not dialogue.undo()
    first = dialogue.current
    dialogue.allow()
    dialogue.deny()
    assert dialogue.undo()
    assert dialogue.undo()
    assert not dialogue.undo()
    assert dialogue.current is first
    assert added(dialogue) == []
    assert dialogue.state()["decisions"] == {}


def test_going_on() -> None:
    before = SuggestionDialogue(some(*REQUESTS))
    before.generalise()
    before.skip()
    state = json.loads(json.dumps(before.state()))
    after = SuggestionDialogue(some(*REQUESTS), state)
    assert after.left == 2  # what was skipped is asked again
    after.deny()
    after.deny()
    assert added(after) == [r"file read /a\$"]
    assert SuggestionDialogue(some(*REQUESTS), after.state()).current is None
    # What is decided stays so, also where the logs of another day tell nothing of it.
    assert SuggestionDialogue([], after.state()).state() == after.state()


def test_what_was_allowed_is_asked_again_when_more_was_seen() -> None:
    before = SuggestionDialogue(some("file read /a1"))
    before.allow()
    after = SuggestionDialogue(some("file read /a1", "file read /a2"), before.state())
    assert after.left == 1
    after.allow()
    assert added(after) == ["file read /a1", "file read /a2"]
    assert after.undo()
    assert added(after) == ["file read /a1"]


@pytest.mark.parametrize(
    "state",
    [
        {},
        {"version": 2, "decisions": {}},
        {"version": 1, "decisions": []},
        {"version": 1, "decisions": {"a": {"choice": "x", "entries": []}}},
        {"version": 1, "decisions": {"a": {"choice": "edit", "entries": ["<kernel>"]}}},
        {"version": 1, "decisions": {"a": None}},
        [],
    ],
)
def test_a_state_that_is_none(state: object) -> None:
    with pytest.raises(ValueError, match=r"state|Choice|entry"):
        SuggestionDialogue([], state)  # type: ignore[arg-type]
