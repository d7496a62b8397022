"""The command `name`: what goes in, what comes out, what is said."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.nix.toystore import Link, Program, ToyStore
from tomoyo.sets.policy_set import read_policy_set

from .command import Done, tomoyo

NGINX, GLIBC, PATH, STRANGER = (
    f"/nix/store/{'abcd'[number] * 32}-{name}"
    for number, name in enumerate(("nginx-1.26.0", "glibc-2.40", "system-path", "nginx-1.26.0"))
)
LEARNED = f"""\
<kernel> {PATH}/bin/nginx
use_profile 1

file read {GLIBC}/lib/libc.so.6
file read {STRANGER}/share/page
file execute {NGINX}/bin/nginx exec.realpath="{NGINX}/bin/nginx" exec.argv[0]="{NGINX}/bin/nginx"

<kernel> {NGINX}/bin/nginx
use_profile 1

file write {GLIBC}/lib/libc.so.6

"""
NAMED = f"""\
<kernel> nix:/nginx/bin/nginx
use_profile 1

file read/write @nix:/glibc/lib/libc.so.6
file read {STRANGER}/share/page
file execute nix:/nginx/bin/nginx exec.realpath=@nix:/nginx/bin/nginx exec.argv[0]="/nix/store/\\*-nginx-\\*/bin/nginx"

"""
EXCEPTIONS = f"initialize_domain {PATH}/bin/nginx from any\naggregator {NGINX}/bin/nginx nix:/nginx/bin/nginx\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a store below `root`, and policies."""
    toy = ToyStore(tmp_path / "root")
    toy.add("nginx-1.26.0", {"bin/nginx": Program()})
    toy.add("glibc-2.40", {"lib/libc.so.6": ""})
    toy.add("system-path", {"bin/nginx": Link(f"{NGINX}/bin/nginx")})
    assert [str(path) for path in toy.paths] == [NGINX, GLIBC, PATH]
    (tmp_path / "closure").write_text("".join(f"{path}\n" for path in toy.paths))
    toy.add("nginx-1.26.0", {"share/page": ""})
    (tmp_path / "domain").write_text(LEARNED)
    (tmp_path / "exception").write_text(EXCEPTIONS)
    (tmp_path / "attributes").write_text(json.dumps({"nginx": NGINX, "glibc": GLIBC}))
    return tmp_path


def name(folder: Path, *arguments: str | Path, stdin: bytes = b"") -> Done:
    return tomoyo("name", "--root", folder / "root", "--closure-file", folder / "closure", *arguments, stdin=stdin)


def test_a_policy_is_printed_and_what_to_know_is_said(folder: Path) -> None:
    done = name(folder, folder / "domain")
    assert (done.status, done.output) == (0, NAMED)
    file = folder / "domain"
    assert f"{file}:5:11: warning: {STRANGER}/share/page: kept: outside the closure" in done.messages
    column = LEARNED.splitlines()[5].index("exec.argv") + 1
    assert f'{file}:6:{column}: warning: exec.argv[0]="{NGINX}/bin/nginx": ' in done.messages
    assert f"{file}:8:1: note: <kernel> {NGINX}/bin/nginx: one domain with <kernel> {PATH}/bin/nginx now" in done.messages
    assert "note: 1 entry became equal" in done.messages


def test_standard_input(folder: Path) -> None:
    done = name(folder, "-", stdin=LEARNED.encode())
    assert done.output == NAMED
    assert "<stdin>:5:11: warning" in done.messages


def test_two_policies_go_to_a_directory(folder: Path) -> None:
    done = name(folder, folder / "domain", folder / "exception", "-o", folder / "out")
    assert (done.status, done.output) == (0, "")
    assert (folder / "out/domain_policy.conf").read_text() == NAMED
    assert (folder / "out/exception_policy.conf").read_text() == "initialize_domain nix:/nginx/bin/nginx from any\n"
    assert "note: 1 binding left out" in done.messages
    assert name(folder, folder / "domain", "-o", folder / "out").status == 0


def test_comments_go_along_with_what_they_are_about(folder: Path) -> None:
    (folder / "domain").write_bytes(
        f"""\
# Learned for nginx: gr\xfc\xdfe.

# As it is started.
<kernel> {PATH}/bin/nginx
use_profile 1
# The libraries.
use_group 7

# The C library.
file read {GLIBC}/lib/libc.so.6

# Itself.
file execute {NGINX}/bin/nginx
# No more.

# The same program.
<kernel> {NGINX}/bin/nginx
use_profile 1

# Strange.
file write {GLIBC}/lib/libc.so.6
""".encode("latin-1")
    )
    (folder / "exception").write_text(
        f"# In front.\n{EXCEPTIONS.replace('aggregator', '# Old.' + chr(10) + 'aggregator')}# End.\n"
    )
    (folder / "set").mkdir()
    (folder / "set/manifest.json").write_text(json.dumps({"format": 1, "modules": {"base": 7}}))
    done = name(folder, folder / "domain", folder / "exception", "--set", folder / "set", "-o", folder / "out")
    assert done.status == 0
    assert (
        (folder / "out/domain_policy.conf").read_bytes().decode("latin-1")
        == """\
# Learned for nginx: gr\xfc\xdfe.

# As it is started.
# The same program.
<kernel> nix:/nginx/bin/nginx
use_profile 1
# The libraries.
use_group base

# The C library.
# Strange.
file read/write @nix:/glibc/lib/libc.so.6

# Itself.
file execute nix:/nginx/bin/nginx
# No more.

"""
    )
    assert (folder / "out/exception_policy.conf").read_text() == (
        "# In front.\ninitialize_domain nix:/nginx/bin/nginx from any\n# Old.\n# End.\n"
    )


def test_json(folder: Path) -> None:
    done = name(folder, folder / "domain", folder / "exception", "--json")
    document = done.result
    assert document["domain_policy"] == NAMED
    assert document["exception_policy"] == "initialize_domain nix:/nginx/bin/nginx from any\n"
    assert document["merged_entries"] == 1
    outside = next(finding for finding in done.diagnostics if finding["code"] == "outside-closure")
    place = outside["place"]
    assert outside["subject"] == f"{STRANGER}/share/page"
    assert (place["file"], place["line"], place["column"]) == (str(folder / "domain"), 5, 11)


def test_a_place_is_that_of_the_word_in_a_line_which_says_something(folder: Path) -> None:
    """A comment says nothing, nor does a longer word that begins so."""
    page = f"{STRANGER}/share/page"
    (folder / "domain").write_text(f"# {page}\n<kernel>\nuse_profile 1\n\n  file rename {page}2 {page}\n")
    places = {finding["subject"]: finding["place"] for finding in name(folder, folder / "domain", "--json").diagnostics}
    assert {word: (place["line"], place["column"]) for word, place in places.items()} == {
        f"{page}2": (5, 15),
        page: (5, 17 + len(page)),
    }


def test_naming_again_changes_nothing(folder: Path) -> None:
    done = name(folder, "-", stdin=NAMED.encode())
    assert done.output == NAMED
    assert "loosens" not in done.messages


@pytest.mark.parametrize(
    ("policy", "said"),
    [
        (b"<kernel> /x\nfile raed /y\n", ":2:6: error: "),
        (b"<kernel> /x\nfile read /y", ":2:1: error: "),
        (b"<kernel> nix:/a/../b\n", "not a name: 'nix:/a/../b'"),
        (b"\xff\0\n", "error: "),
    ],
)
def test_bad_policies_write_nothing(folder: Path, policy: bytes, said: str) -> None:
    (folder / "domain").write_bytes(policy)
    done = name(folder, folder / "domain", folder / "exception", "-o", folder / "out")
    assert (done.status, done.output) == (2, "")
    assert said in done.messages
    assert not (folder / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "say what to name"),
        (("domain", "exception"), "-o DIR"),
        (("-", "-", "-o", "out"), "only one policy"),
        (("domain", "--attributes", "attributes"), "--nix"),
        (("domain", "--nix"), "--attributes"),
        (("domain", "--nix", "--set", "."), "--set goes with names"),
        (("domain", "--nix", "--unsafe-wildcards", "--attributes", "attributes"), "not allowed with"),
        (("missing",), "no such file"),
        (("domain", "-o", "closure"), "not a directory"),
        (("domain", "--closure-file", "domain"), "error"),
    ],
)
def test_bad_arguments(folder: Path, arguments: tuple[str, ...], said: str) -> None:
    done = name(folder, *(folder / word if (folder / word).exists() else word for word in arguments))
    assert (done.status, done.output) == (2, "")
    assert said in done.messages


def test_a_closure_must_be_given(folder: Path) -> None:
    done = tomoyo("name", folder / "domain")
    assert (done.status, done.output) == (2, "")
    assert "--closure" in done.messages


# Modules

WITH_GROUPS = LEARNED.replace("use_profile 1\n", "use_profile 1\nuse_group 1\nuse_group 7\nuse_group 12\n")


@pytest.fixture
def held(folder: Path) -> Path:
    """The set that the kernel held."""
    (folder / "set").mkdir()
    (folder / "set/manifest.json").write_text(json.dumps({"format": 1, "modules": {"base": 1, "libraries": 12}}))
    (folder / "domain").write_text(WITH_GROUPS)
    return folder / "set"


def test_modules_get_their_names_back(folder: Path, held: Path) -> None:
    done = name(folder, "--set", held, folder / "domain")
    head = "<kernel> nix:/nginx/bin/nginx\nuse_profile 1\nuse_group base\nuse_group 7\nuse_group libraries\n\n"
    assert (done.status, done.output) == (0, head + NAMED.partition("\n\n")[2])
    assert f"{folder / 'domain'}:4:1: note: stays a number: use_group 7: no module of the set has it" in done.messages


def test_modules_of_a_policy_source_keep_their_names(folder: Path, held: Path) -> None:
    """A number in their place would be that of another module, or of none."""
    place = folder / "source" / "domains"
    place.mkdir(parents=True)
    (place / "nginx.conf").write_text(f"# mine\n{WITH_GROUPS.replace('use_group 12', 'use_group libraries')}")
    for path in (place.parent, place / "nginx.conf"):
        done = name(folder, path)
        assert done.status == 0
        assert done.output.startswith("# mine\n<kernel> nix:/nginx/bin/nginx\nuse_profile 1\n")
        assert [line for line in done.output.split("\n") if line.startswith("use_group")] == [
            *("use_group 1", "use_group 7", "use_group libraries"),
        ]


def test_without_the_set_it_is_said_what_is_missing(folder: Path, held: Path) -> None:
    done = name(folder, folder / "domain")
    assert "use_profile 1\nuse_group 1\nuse_group 7\nuse_group 12\n\n" in done.output
    place = f"{folder / 'domain'}:3:1: note: stays a number: use_group 1, use_group 7, use_group 12 [module-number]"
    assert f"{place}\n    use_group 1\n    ^\nhelp: if it is a module, --set DIR" in done.messages
    assert "stays a number" not in name(folder, "-", stdin=LEARNED.encode()).messages


def test_what_modules_say_is_left_to_the_source(folder: Path, held: Path) -> None:
    (folder / "exception").write_text(
        "acl_group 1 file read /etc/a\nacl_group 7 file read /etc/b\nacl_group 12 file read /etc/c\n"
    )
    done = name(folder, "--set", held, "--json", folder / "domain", folder / "exception")
    document = done.result
    assert document["exception_policy"] == "acl_group 7 file read /etc/b\n"
    assert "use_group libraries\n" in document["domain_policy"]


@pytest.mark.parametrize(
    ("manifest", "said"),
    [
        (None, "no such file"),
        ("{", "manifest.json:1: error: "),
        ("[]", "not a JSON object"),
        ("{}", "not the manifest of a set"),
        ('{"format": 2, "modules": {}}', "not the manifest of a set"),
        ('{"format": 1, "modules": []}', "not the manifest of a set"),
        ('{"format": 1, "modules": {"a\\nb": 1}}', "no module with its number: 'a\\012b': 1"),
        ('{"format": 1, "modules": {"a": 256}}', "no module with its number: 'a': 256"),
        ('{"format": 1, "modules": {"a": true}}', "no module with its number: 'a': True"),
        ('{"format": 1, "modules": {"a": 1, "b": 1}}', "two modules have one number"),
    ],
)
def test_a_set_that_is_none(folder: Path, held: Path, manifest: str | None, said: str) -> None:
    file = held / "manifest.json"
    if manifest is None:
        file.unlink()
    else:
        file.write_text(manifest)
    done = name(folder, "--set", held, folder / "domain")
    assert (done.status, done.output) == (2, "")
    assert said in done.messages


def test_what_was_learned_under_a_set_compiles_to_the_same_again(folder: Path) -> None:
    source = folder / "source"
    for directory in ("domains", "exceptions"):
        (source / directory).mkdir(parents=True)
    (source / "domains/nginx.conf").write_text(
        "<kernel> nix:/nginx/bin/nginx\nuse_profile 1\nuse_group base\nuse_group libraries\n"
    )
    (source / "exceptions/nginx.conf").write_text("initialize_domain nix:/nginx/bin/nginx from any\n")
    (source / "manager.conf").write_text("<kernel>\n")
    closure = ("--root", folder / "root", "--closure-file", folder / "closure")
    assert tomoyo("compile", source, "-o", folder / "first", *closure).status == 0

    kernel = read_policy_set(folder / "first").loaded()
    kernel.activate()
    kernel.write("domain_policy", f"<kernel> nix:/nginx/bin/nginx\nfile read {NGINX}/bin/nginx\n")
    (folder / "domain").write_text(kernel.read("domain_policy"))
    (folder / "exception").write_text(kernel.read("exception_policy"))
    done = name(folder, "--set", folder / "first", folder / "domain", folder / "exception", "-o", folder / "named")
    assert done.status == 0, done.messages

    (folder / "named/manager.conf").write_text("<kernel>\n")
    done = tomoyo("compile", folder / "named", "-o", folder / "second", *closure)
    assert done.status == 0, done.messages
    first, second = (read_policy_set(folder / which) for which in ("first", "second"))
    assert second.domain_policy.replace("file read @nix:/nginx/bin/nginx\n", "", 1) == first.domain_policy != second.domain_policy
    assert second.exception_policy == first.exception_policy
    assert second.manifest["modules"] == {"base": 1, "libraries": 12}


# Unsafe patterns


def test_unsafe_patterns_come_with_a_warning(folder: Path) -> None:
    done = name(folder, "--unsafe-wildcards", folder / "domain")
    assert done.status == 0
    assert "<kernel> /nix/store/\\*-system-path/bin/nginx\n" in done.output
    assert "file read /nix/store/\\*-glibc-\\*/lib/libc.so.6\n" in done.output
    assert "whoever may add a path to the store" in done.messages
    assert "gets the rights of each package by taking its name" in done.messages


@pytest.mark.parametrize(
    "flag", ["--unsafe", "--unsafe-wildcard", "--unsafe_wildcards", "--wildcards", "--UNSAFE-WILDCARDS", "-u"]
)
def test_the_unsafe_flag_has_one_spelling(folder: Path, flag: str) -> None:
    done = name(folder, flag, folder / "domain")
    assert (done.status, done.output) == (2, "")
    assert "unrecognized arguments" in done.messages


@pytest.mark.parametrize("flag", ["--jso", "--clos", "--outpu"])
def test_no_option_can_be_abbreviated(folder: Path, flag: str) -> None:
    assert name(folder, flag, folder / "domain").status == 2


# Nix expressions


def test_a_nix_function(folder: Path) -> None:
    done = tomoyo("name", "--nix", "--attributes", folder / "attributes", folder / "domain")
    assert done.status == 0
    assert "  file read ${pkgs.glibc}/lib/libc.so.6\n" in done.output
    assert done.output.startswith(f"pkgs: ''\n  <kernel> {PATH}/bin/nginx\n")
    assert f"{folder / 'domain'}:1:10: warning: {PATH}: no attribute gives this store path" in done.messages
    assert f"{folder / 'domain'}:5:11: warning: {STRANGER}: no attribute" in done.messages


def test_nix_functions_of_both_policies(folder: Path) -> None:
    arguments = ("name", "--nix", "--attributes", folder / "attributes", folder / "domain", folder / "exception")
    assert tomoyo(*arguments, "-o", folder / "out").status == 0
    assert sorted(path.name for path in (folder / "out").iterdir()) == ["domain_policy.nix", "exception_policy.nix"]
    assert "aggregator ${pkgs.nginx}/bin/nginx" in (folder / "out/exception_policy.nix").read_text()
    document = tomoyo(*arguments, "--json").result
    assert document[0]["attributes"] == ["pkgs.glibc", "pkgs.nginx"]
    assert document[0]["without_attribute"][0] == {"path": PATH, "line": 1, "column": 10}


@pytest.mark.parametrize(
    ("attributes", "said"),
    [
        ("{", "attributes:1: error: "),
        ("[]", "not a JSON object"),
        ('{"a": 1}', "attribute 'a': not a store path"),
        ('{"a": "/nix/store/x"}', "no store path"),
        ('{"a..b": "/nix/store/x"}', "no attribute path"),
        ("[" * 100_000, "unreadable JSON"),
    ],
)
def test_bad_attributes(folder: Path, attributes: str, said: str) -> None:
    (folder / "attributes").write_text(attributes)
    done = tomoyo("name", "--nix", "--attributes", folder / "attributes", folder / "domain", "-o", folder / "out")
    assert (done.status, done.output) == (2, "")
    assert said in done.messages
    assert not (folder / "out").exists()


def test_nothing_of_nix_is_loaded_for_another_command() -> None:
    code = "import sys, tomoyo.cli; tomoyo.cli.main(['check', '--help']); print([m for m in sys.modules if 'tomoyo.nix' in m])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("[]\n")
