"""The stand-in module system answers as nixpkgs' does.

What the answers are stands here; that nixpkgs gives the same is asked where a checkout is at hand. The tests of the modules run
on both as well.
"""

from __future__ import annotations

from typing import Any

import pytest

from ..nix.nixstore import NixFailureError
from .evaluation import Evaluator

# The modules of a system, and its configuration or what the error says.
DECLARED = """
({ lib, ... }: { options = with lib; {
  list = mkOption { type = types.listOf types.str; default = [ ]; };
  lines = mkOption { type = types.lines; default = ""; };
  text = mkOption { type = types.str; default = "d"; };
  number = mkOption { type = types.ints.unsigned; default = 0; };
  small = mkOption { type = types.ints.between 1 3; default = 1; };
  choice = mkOption { type = types.enum [ "a" "b" ]; default = "a"; };
  maybe = mkOption { type = types.nullOr types.int; default = null; };
  either = mkOption { type = types.either types.path types.lines; default = ""; };
  fixed = mkOption { type = types.int; readOnly = true; default = 1; };
  none = mkOption { type = types.int; };
  free = mkOption { type = types.attrsOf types.anything; default = { }; };
  words = mkOption { type = types.coercedTo types.str (word: [ word ]) (types.listOf types.str); default = [ ]; };
  matched = mkOption { type = types.strMatching "[a-z]+"; default = "x"; };
  changed = mkOption { type = types.int; default = 1; apply = value: value + 1; };
  set = mkOption { default = { }; type = types.attrsOf (types.submodule ({ name, config, ... }: { options = {
    named = mkOption { type = types.str; default = name; };
    twice = mkOption { type = types.int; default = 1; };
    copy = mkOption { type = types.int; default = config.twice; };
  }; })); };
}; })
"""
VALUES: dict[str, dict[str, Any]] = {
    '{ list = [ "1" ]; } { list = [ "2" ]; }': {"list": ["2", "1"]},
    '{ imports = [ { list = [ "deep" ]; } ]; list = [ "1" ]; } { list = [ "2" ]; }': {"list": ["deep", "2", "1"]},
    '({ lib, ... }: { list = lib.mkAfter [ "1" ]; }) ({ lib, ... }: { list = lib.mkBefore [ "2" ]; }) { list = [ "3" ]; }': {
        "list": ["2", "3", "1"]
    },
    '({ lib, ... }: { lines = lib.mkMerge [ "a" (lib.mkIf false "b") (lib.mkIf true (lib.mkBefore "c")) ]; })': {"lines": "c\na"},
    '({ lib, ... }: { text = lib.mkDefault "1"; }) { text = "2"; }': {"text": "2"},
    '({ lib, ... }: { text = lib.mkForce "1"; }) { text = "2"; } ({ lib, ... }: { text = lib.mkOverride 60 "3"; })': {
        "text": "1"
    },
    '({ lib, config, ... }: lib.mkIf (config.number == 4) { text = "four"; }) { number = 4; }': {"text": "four"},
    '({ lib, config, ... }: { config = lib.mkMerge [ { number = 2; } (lib.mkIf (config.number == 2) { text = "two"; }) ]; })': {
        "text": "two"
    },
    "{ set.a.twice = 2; } { set = { a = { }; b = ({ config, ... }: { copy = config.twice + 1; }); }; }": {
        "set": {"a": {"named": "a", "twice": 2, "copy": 2}, "b": {"named": "b", "twice": 1, "copy": 2}}
    },
    "({ lib, ... }: { set.a = lib.mkIf false { }; set.b.twice = lib.mkIf false 3; })": {
        "set": {"b": {"named": "b", "twice": 1, "copy": 1}}
    },
    "({ lib, ... }: { set = lib.mkMerge [ { a.twice = 5; } (lib.mkIf true { a.copy = lib.mkForce 6; }) ]; })": {
        "set": {"a": {"named": "a", "twice": 5, "copy": 6}}
    },
    "{ maybe = 3; } { maybe = 3; }": {"maybe": 3},
    '{ either = "a"; } { either = "b"; }': {"either": "b\na"},
    '{ either = "/a"; }': {"either": "/a"},
    '{ words = "one"; } { words = [ "two" "three" ]; }': {"words": ["two", "three", "one"]},
    "{ free = { a.b = 1; c = [ 1 ]; }; } { free = { a.d = 2; c = [ 1 ]; }; }": {"free": {"a": {"b": 1, "d": 2}, "c": [1]}},
    "{ changed = 5; }": {"changed": 6},
    "({ options, ... }: { list = builtins.attrNames (builtins.intersectAttrs { list = 1; absent = 1; } options); })": {
        "list": ["list"]
    },
    '({ argument, ... }: { text = argument; }) { _module.args.argument = "given"; }': {"text": "given"},
}
ERRORS = {
    "{ text = 1; }": ["A definition for option `text' is not of type `string'"],
    '{ text = "1"; } { text = "2"; }': ["The option `text' has conflicting definition values"],
    "{ number = -1; }": ["A definition for option `number' is not of type `unsigned integer, meaning >=0'"],
    "{ small = 4; }": ["A definition for option `small' is not of type `integer between 1 and 3 (both inclusive)'"],
    '{ choice = "c"; }': ['A definition for option `choice\' is not of type `one of "a", "b"\'', '"c"'],
    '{ maybe = "x"; }': ["A definition for option `maybe' is not of type `null or signed integer'"],
    "{ list = [ 1 ]; }": ["A definition for option `list.\"[definition 1-entry 1]\"' is not of type `string'"],
    '{ matched = "A"; }': ["A definition for option `matched' is not of type `string matching the pattern [a-z]+'"],
    '{ set.a.twice = "x"; }': ["A definition for option `set.a.twice' is not of type `signed integer'"],
    "{ set.a.other = 1; }": ["The option `set.a.other' does not exist"],
    "{ absent = 1; }": ["The option `absent' does not exist"],
    "{ fixed = 2; } { fixed = 2; }": ["The option `fixed' is read-only, but it's set multiple times"],
    '{ config = { }; text = "x"; }': ["unsupported attribute `text'"],
    "{ set.a.named = { }; }": ["A definition for option `set.a.named' is not of type `string'"],
    "({ lib, ... }: { options.text.below = lib.mkOption { type = lib.types.int; }; })": ["text"],
}


def evaluate(evaluator: Evaluator, modules: str, expression: str) -> Any:
    return evaluator.store.evaluate(
        f"let lib = import {evaluator.library}; s = lib.evalModules {{ modules = [ {DECLARED} {modules} ]; }}; in {expression}"
    )


@pytest.mark.parametrize("modules", VALUES)
def test_values_come_together(evaluator: Evaluator, modules: str) -> None:
    expected = VALUES[modules]
    names = " ".join(expected)
    assert evaluate(evaluator, modules, f"{{ inherit (s.config) {names}; }}") == expected


@pytest.mark.parametrize("modules", ERRORS)
def test_errors_name_the_option(evaluator: Evaluator, modules: str) -> None:
    with pytest.raises(NixFailureError) as failure:
        evaluate(evaluator, modules, 'removeAttrs s.config [ "none" ]')
    for part in ERRORS[modules]:
        assert part in str(failure.value)


def test_an_option_without_a_value_is_an_error_where_it_is_read(evaluator: Evaluator) -> None:
    assert evaluate(evaluator, "", "s.config.text") == "d"
    with pytest.raises(NixFailureError, match=r"The option `none' was accessed but has no value defined"):
        evaluate(evaluator, "", "s.config.none")


def test_a_system_can_be_extended(evaluator: Evaluator) -> None:
    expression = "(s.extendModules { modules = [ { list = [ s.config.text ]; } ]; }).config.list"
    assert evaluate(evaluator, '{ text = "t"; list = [ "l" ]; }', expression) == ["t", "l"]


def test_options_are_listed_with_what_they_are(evaluator: Evaluator) -> None:
    expression = (
        "map (o: { inherit (o) name type; default = o.default.text or null; })"
        " (builtins.filter (o: !o.internal) (lib.optionAttrSetToDocList { inherit (s.options) set small maybe list; }))"
    )
    assert evaluate(evaluator, "", expression) == [
        {"name": "list", "type": "list of string", "default": "[ ]"},
        {"name": "maybe", "type": "null or signed integer", "default": "null"},
        {"name": "set", "type": "attribute set of (submodule)", "default": "{ }"},
        {"name": "set.<name>.copy", "type": "signed integer", "default": "1"},
        {"name": "set.<name>.named", "type": "string", "default": '"\u2039name\u203a"'},
        {"name": "set.<name>.twice", "type": "signed integer", "default": "1"},
        {"name": "small", "type": "integer between 1 and 3 (both inclusive)", "default": "1"},
    ]
