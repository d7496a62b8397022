"""Policies as Nix expressions: Nix itself must give the text back, byte for byte."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from tomoyo.nix.names.expression import Expression, ExpressionError, Literal, attribute_text, nix_expression

from .nixstore import NixStore

GLIBC, DEV, ODD, STRANGE = (
    f"/nix/store/{letter * 32}-{name}" for letter, name in zip("abcd", ("glibc-2.40", "glibc-2.40-dev", "x_1", "strange-1"))
)
ATTRIBUTES = {"glibc": GLIBC, "glibc.dev": DEV, 'python3Packages."a.${b}\\"\\n".or': ODD}
PACKAGES = f"""{{
  glibc = {{ outPath = "{GLIBC}"; dev.outPath = "{DEV}"; }};
  python3Packages."a.\\${{b}}\\"\\n"."or" = "{ODD}";
}}"""

# Shrinking would call Nix a thousand times; the text at fault is in the message.
BATCHES = (Phase.explicit, Phase.generate)

# Whatever has a meaning in Nix' strings comes often, and side by side.
hostile_texts = st.lists(
    st.sampled_from(
        [*"${}'\"\\ \n\t\rnrt#", "''", "${", "  ", "''$", "''\\", GLIBC, DEV, ODD, STRANGE, "\\*", "\x7f\x01", "\u00e9\U0001f512"]
    )
    | st.characters(exclude_characters="\0", exclude_categories=["Cs"]),
    max_size=14,
).map("".join)


def hashes(store: NixStore, expressions: list[Expression]) -> list[str]:
    """What Nix makes of functions of PACKAGES, as digests, since JSON cannot hold every string."""
    calls = "\n".join(f'(builtins.hashString "sha256" (({expression.text}) packages))' for expression in expressions)
    (store.root / "expressions.nix").write_text(f"let packages = {PACKAGES}; in [\n{calls}\n]", newline="")
    found: list[str] = store.evaluate(f"import {store.root}/expressions.nix")
    return found


@settings(max_examples=25, phases=BATCHES)
@given(st.lists(hostile_texts, max_size=80))
def test_nix_gives_the_text_back(nix_store: NixStore, texts: list[str]) -> None:
    expressions = [nix_expression(text, ATTRIBUTES) for text in texts]
    for text, expression, digest in zip(texts, expressions, hashes(nix_store, expressions)):
        assert hashlib.sha256(text.encode()).hexdigest() == digest, (text, expression.text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        " ",
        " \n ",
        "\t\n",
        "   a\n    b",
        "'",
        "''",
        "'$",
        "$'",
        "$",
        "$$",
        f"${GLIBC}",
        f"'{GLIBC}",
        "\r\n",
        "'\r$\r",
        "\\",
    ],
)
def test_texts_that_nix_could_take_for_something_else(nix_store: NixStore, text: str) -> None:
    assert hashes(nix_store, [nix_expression(text, ATTRIBUTES)]) == [hashlib.sha256(text.encode()).hexdigest()]


def test_a_policy_becomes_readable_text() -> None:
    policy = f"<kernel> {GLIBC}/bin/ldd\nfile read {GLIBC}/lib/\\*.so\nfile read {DEV}/include/stdio.h\nfile read /a/\\$\n"
    assert nix_expression(policy, ATTRIBUTES).text == (
        "pkgs: ''\n"
        "  <kernel> ${pkgs.glibc}/bin/ldd\n"
        "  file read ${pkgs.glibc}/lib/\\*.so\n"
        "  file read ${pkgs.glibc.dev}/include/stdio.h\n"
        "  file read /a/\\$\n"
        "''\n"
    )


def test_what_was_used_and_what_had_no_attribute() -> None:
    found = nix_expression(f"{GLIBC}\nx {STRANGE}/a {STRANGE}/b\n{GLIBC}-more\n", ATTRIBUTES)
    assert found.used == ("pkgs.glibc",)
    # Another package, though its name begins alike.
    assert found.literals == (Literal(STRANGE, 2, 3), Literal(f"{GLIBC}-more", 3, 1))


def test_the_shortest_of_several_attributes_counts() -> None:
    attributes = {"stdenv.cc.libc": GLIBC, "pkgs.glibc": GLIBC, "glibd": GLIBC}
    assert nix_expression(GLIBC, attributes).used == ("pkgs.glibc",)


def test_another_store_directory() -> None:
    path = GLIBC.replace("/nix/", "/gnu.d/")
    found = nix_expression(f"{path}/a {GLIBC} /gnuxd/store/{'a' * 32}-glibc-2.40", {"glibc": path}, "/gnu.d/store")
    assert f"  ${{pkgs.glibc}}/a {GLIBC} /gnuxd" in found.text


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("glibc", "pkgs.glibc"),
        ("glibc.dev", "pkgs.glibc.dev"),
        ("pkgs.python3Packages.x-y", "pkgs.python3Packages.x-y"),
        ("pkgs", "pkgs.pkgs"),
        ("7zip", 'pkgs."7zip"'),
        ("a.or.in", 'pkgs.a."or"."in"'),
        ('"a.b".c', 'pkgs."a.b".c'),
        ('""', 'pkgs.""'),
        ("a b", 'pkgs."a b"'),
        ("${x}", 'pkgs."\\${x}"'),
    ],
)
def test_attributes(written: str, text: str) -> None:
    assert attribute_text(written) == text


@pytest.mark.parametrize("written", ["", ".", "a.", ".a", "a..b", '"a', '"a"b', "a\\b", 'a"b"', "\0"])
def test_no_attributes(written: str) -> None:
    with pytest.raises(ExpressionError, match="no attribute path"):
        nix_expression("", {written: GLIBC})


@settings(max_examples=15, phases=BATCHES)
@given(st.lists(st.lists(hostile_texts, min_size=1, max_size=3), max_size=40))
def test_any_attribute_can_be_named(nix_store: NixStore, paths: list[list[str]]) -> None:
    """Each attribute path, quoted by us, reads in Nix as the names that it has."""
    written = [
        ".".join('"' + "".join(f"\\{c}" if c in '"\\' else c for c in name) + '"' for name in ["x", *path]) for path in paths
    ]
    tests = "\n".join(
        f"(builtins.head (builtins.attrNames ({{ {attribute_text(text)} = 1; }}{selected})))"
        for text, selected in zip(written, ("".join(map(_select, ["pkgs", "x", *path[:-1]])) for path in paths))
    )
    (nix_store.root / "attributes.nix").write_text(f'map (builtins.hashString "sha256") [\n{tests}\n]', newline="")
    found = nix_store.evaluate(f"import {nix_store.root}/attributes.nix")
    assert found == [hashlib.sha256(path[-1].encode()).hexdigest() for path in paths]


def _select(name: str) -> str:
    """``.NAME`` in Nix, with an expression for every character that means something."""
    special = {'"': r"\"", "\\": r"\\", "$": '${"$"}', "\r": r"\r"}
    return '."' + "".join(special.get(character, character) for character in name) + '"'


@pytest.mark.parametrize("path", ["", "glibc", GLIBC + "/lib", "/nix/store/short-x", 'x"'])
def test_values_are_store_paths(path: str) -> None:
    with pytest.raises(ExpressionError, match="no store path"):
        nix_expression("", {"glibc": path})


def test_nix_has_no_nul() -> None:
    with pytest.raises(ExpressionError, match="line 2"):
        nix_expression("a\nb\0\n", {})
