"""Reading `.drv` files."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tomoyo.nix.store.derivation import Derivation, DerivationSyntaxError, Output, parse_derivation, read_derivation

from .nixstore import NixStore

TOY = (
    'Derive([("lib","/nix/store/a-toy-3.1-lib","",""),("out","/nix/store/b-toy-3.1","","")],'
    '[("/nix/store/c-dep.drv",["dev","out"])],["/nix/store/d-builder.sh"],"x86_64-linux","/bin/sh",["-c","echo \\"a\\\\b\\"\\n"],'
    '[("name","toy-3.1"),("pname","toy"),("version","3.1")])'
)

# Attributes chosen to be hard to write down: escapes, empty values, lists, structured attributes, a fixed output.
HARD = r"""
{
  escapes = script "escapes-1.0" "mkdir $out" { text = "a\\b\"c\nd\re\tf\\n$\{x}'é\\"; empty = ""; "odd name\"" = "x"; };
  many = script "many" "mkdir $out $b $a" { outputs = [ "out" "b" "a" ]; inputs = [ ./conftest.py ]; };
  fixed = script "fixed-2" "printf x > $out" {
    outputHash = "sha256:2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881";
  };
  structured = derivation {
    name = "structured-1.5"; system = builtins.currentSystem; builder = "/bin/sh"; args = [ "-c" "exit 1" ];
    __structuredAttrs = true; outputs = [ "out" "doc" ]; pname = "structured"; version = "1.5";
    nested = { a = [ 1 true null "\"\n" ]; };
  };
}
"""


def as_nix_shows(derivation: Derivation) -> dict[str, object]:
    """A derivation in the form of `nix show-derivation`."""
    return {
        "outputs": {name: shown_output(output) for name, output in derivation.outputs.items()},
        "inputDrvs": {path: list(outputs) for path, outputs in derivation.input_derivations.items()},
        "inputSrcs": list(derivation.input_sources),
        "system": derivation.system,
        "builder": derivation.builder,
        "args": list(derivation.args),
        "env": dict(derivation.env),
    }


def shown_output(output: Output) -> dict[str, str]:
    fields = {"path": output.path, "hashAlgo": output.hash_algorithm, "hash": output.hash}
    return {name: value for name, value in fields.items() if value}


@pytest.fixture(scope="module")
def shown(nix_store: NixStore, system: dict[str, str]) -> dict[str, dict[str, object]]:
    """What Nix itself says about every derivation of the store."""
    from .nixstore import PRELUDE

    source = f"{PRELUDE} {HARD}".replace("./conftest.py", str(Path(__file__).with_name("conftest.py")))
    nix_store.run("nix-instantiate", "-E", source)
    paths = sorted(f"/nix/store/{file.name}" for file in nix_store.inside("/nix/store").glob("*.drv"))
    result: dict[str, dict[str, object]] = json.loads(nix_store.run("nix", "show-derivation", *paths))
    assert sorted(result) == paths
    return result


def test_derivations_read_as_nix_shows_them(nix_store: NixStore, shown: dict[str, dict[str, object]]) -> None:
    assert len(shown) > 15
    assert {path: as_nix_shows(read_derivation(str(nix_store.inside(path)))) for path in shown} == shown


def test_what_a_derivation_calls_itself(nix_store: NixStore, shown: dict[str, dict[str, object]]) -> None:
    named = {}
    for path in shown:
        derivation = read_derivation(str(nix_store.inside(path)))
        named[derivation.name] = (derivation.pname, derivation.version, derivation.output_names)
    assert named["glibc-2.40-66"] == ("glibc", "2.40-66", ("bin", "dev", "getent", "out"))
    assert named["structured-1.5"] == ("structured", "1.5", ("doc", "out"))
    assert named["many"] == ("many", "", ("a", "b", "out"))


def test_structured_attributes(nix_store: NixStore, shown: dict[str, dict[str, object]]) -> None:
    read = [read_derivation(str(nix_store.inside(path))) for path in shown]
    structured = {derivation.name: derivation.structured_attributes for derivation in read}
    attributes = structured["structured-1.5"]
    assert attributes is not None
    assert attributes["nested"] == {"a": [1, True, None, '"\n']}
    assert structured["many"] is None


@pytest.mark.parametrize("text", ["", "{", "[]", "1" * 5000, "[" * 100_000])
def test_damaged_structured_attributes(text: str) -> None:
    derivation = Derivation({}, {}, (), "", "", (), {"__json": text})
    with pytest.raises(DerivationSyntaxError, match="__json"):
        _ = derivation.name


def test_a_stated_name_comes_before_the_rule() -> None:
    derivation = Derivation({}, {}, (), "", "", (), {"name": "a-1.0-2", "pname": "a-1.0", "version": "2"})
    assert (derivation.pname, derivation.version) == ("a-1.0", "2")


def test_the_output_at_a_path() -> None:
    derivation = parse_derivation(TOY)
    assert derivation.output_of("/nix/store/a-toy-3.1-lib") == "lib"
    assert derivation.output_of("/nix/store/c-dep") is None


def quote(text: str) -> str:
    for plain, escaped in (("\\", "\\\\"), ('"', '\\"'), ("\n", "\\n"), ("\r", "\\r"), ("\t", "\\t")):
        text = text.replace(plain, escaped)
    return f'"{text}"'


def write(derivation: Derivation) -> str:
    def many(items: list[str]) -> str:
        return f"[{','.join(items)}]"

    outputs = [
        f"({quote(name)},{quote(output.path)},{quote(output.hash_algorithm)},{quote(output.hash)})"
        for name, output in derivation.outputs.items()
    ]
    inputs = [f"({quote(path)},{many([*map(quote, used)])})" for path, used in derivation.input_derivations.items()]
    env = [f"({quote(name)},{quote(value)})" for name, value in derivation.env.items()]
    sources, args = many([*map(quote, derivation.input_sources)]), many([*map(quote, derivation.args)])
    return (
        f"Derive({many(outputs)},{many(inputs)},{sources},"
        f"{quote(derivation.system)},{quote(derivation.builder)},{args},{many(env)})"
    )


texts = st.text('ab\\"\n\r\té\udcff,()[]', max_size=12)
derivations = st.builds(
    Derivation,
    outputs=st.dictionaries(texts, st.builds(Output, texts, texts, texts), max_size=3),
    input_derivations=st.dictionaries(texts, st.lists(texts, max_size=3).map(tuple), max_size=3),
    input_sources=st.lists(texts, max_size=3).map(tuple),
    system=texts,
    builder=texts,
    args=st.lists(texts, max_size=3).map(tuple),
    env=st.dictionaries(texts, texts, max_size=3),
)


@given(derivations)
def test_a_derivation_is_read_as_it_was_written(derivation: Derivation) -> None:
    assert parse_derivation(write(derivation)) == derivation


@given(derivations, st.data())
def test_a_truncated_derivation_is_none(derivation: Derivation, data: st.DataObject) -> None:
    text = write(derivation)
    end = data.draw(st.integers(0, len(text) - 1))
    with pytest.raises(DerivationSyntaxError) as caught:
        parse_derivation(text[:end])
    assert 0 <= caught.value.position <= end


@given(st.data())
def test_a_changed_derivation_raises_nothing_else(data: st.DataObject) -> None:
    text = TOY if data.draw(st.booleans()) else DYNAMIC
    place = data.draw(st.integers(0, len(text)))
    text = text[:place] + data.draw(st.text('"\\,()[]Deriv\0é', max_size=4)) + text[place + data.draw(st.integers(0, 3)) :]
    with contextlib.suppress(DerivationSyntaxError):
        parse_derivation(text)


@pytest.mark.parametrize(
    ("text", "position", "line", "column", "message"),
    [
        ("", 0, 1, 1, "Derive("),
        ("derive(", 0, 1, 1, "Derive("),
        ("Derive([", 8, 1, 9, "'('"),
        (TOY[:-1], len(TOY) - 1, 1, len(TOY), "')'"),
        (TOY + "\n", len(TOY), 1, len(TOY) + 1, "end of the file"),
        (TOY.replace('"/bin/sh"', '"\n\n/sh"x'), TOY.index('"/bin/sh"') + 7, 3, 5, "','"),
        (TOY.replace('["dev"', '["dev"x'), TOY.index('["dev"') + 6, 1, TOY.index('["dev"') + 7, "',' or ']'"),
        ('DrvWithVersion("future",', 15, 1, 16, "unknown format"),
        ('Derive([("out', 9, 1, 10, "closing quote"),
        ('Derive([("out\\"', 9, 1, 10, "closing quote"),
    ],
)
def test_a_fault_is_shown_at_its_place(text: str, position: int, line: int, column: int, message: str) -> None:
    with pytest.raises(DerivationSyntaxError) as caught:
        parse_derivation(text)
    error = caught.value
    assert message in error.msg
    assert (error.line, error.column) == (line, column)
    assert error.position == position


DYNAMIC = (
    'DrvWithVersion("xp-dyn-drv",[("out","","text:sha256","")],'
    '[("/a.drv",["out"]),("/b.drv",(["dev"],[("out",["out"]),("man",([],[("x",["y"])]))]))],[],"s","b",[],[])'
)


def test_dynamic_derivations() -> None:
    derivation = parse_derivation(DYNAMIC)
    assert derivation.input_derivations == {"/a.drv": ("out",), "/b.drv": ("dev", "out^out", "man^x^y")}
    assert derivation.outputs == {"out": Output("", "text:sha256")}


def test_endless_nesting_is_an_error() -> None:
    text = 'DrvWithVersion("xp-dyn-drv",[],[("/a.drv",' + '([],[("out",' * 100_000
    with pytest.raises(DerivationSyntaxError, match="nest"):
        parse_derivation(text)


@pytest.mark.parametrize(
    ("unit", "count"), [("x", 10_000_000), ("\\", 10**6), ('"', 10**6), ("\n", 10**6), ("x\\y", 10**6), ('a"b\\', 10**6)]
)
def test_a_long_string(unit: str, count: int) -> None:
    # Hangs if a string takes more than linear time.
    value = unit * count
    derivation = Derivation({}, {}, (), "", "", (), {"value": value})
    assert parse_derivation(write(derivation)).env["value"] == value


def test_bytes_that_are_no_text_are_kept(tmp_path: Path) -> None:
    file = tmp_path / "x.drv"
    file.write_bytes(TOY.encode().replace(b'toy-3.1")', b'toy\xff")'))
    assert read_derivation(str(file)).name == "toy\udcff"
