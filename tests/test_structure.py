"""The package as a whole: what it may import, in which direction, and where it can be put."""

from __future__ import annotations

import ast
import graphlib
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import tomoyo

from .layers import LAYERS

PACKAGE = Path(tomoyo.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))
POLICY = "<kernel> /bin/sh\nuse_profile 3\n\nfile write/read /tmp/x\n"
FORMATTED = "<kernel> /bin/sh\nuse_profile 3\n\nfile read/write /tmp/x\n\n"


def imports(path: Path) -> Iterator[tuple[int, int, str]]:
    """Every import in the file at PATH: its line, its level (0 is absolute) and the module."""
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, 0, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is None:
            yield from ((node.lineno, node.level, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.lineno, node.level, node.module or ""


def target(path: Path, level: int, module: str) -> list[str]:
    """The module that a relative import in PATH means, from the package down."""
    folder = path.relative_to(PACKAGE).parts[:-1]
    return [*folder[: len(folder) - level + 1], *module.split(".")]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_are_relative_or_of_the_standard_library(path: Path) -> None:
    foreign = [
        f"line {line}: {module}"
        for line, level, module in imports(path)
        if level == 0 and module.partition(".")[0] not in sys.stdlib_module_names
    ]
    assert foreign == []


def room(module: list[str]) -> str:
    """The room that MODULE lies in, empty for none."""
    return next((name for name in LAYERS if module[: name.count(".") + 1] == name.split(".")), "")


def imported(path: Path) -> Iterator[tuple[int, list[str]]]:
    """The modules of the package that the one at PATH imports, each from the package down, with the line."""
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = target(path, node.level, node.module or "")
            for alias in node.names:
                whole = [*filter(None, base), alias.name]
                yield node.lineno, whole if PACKAGE.joinpath(*whole).with_suffix(".py").exists() else whole[:-1]


def test_imports_point_downwards() -> None:
    upwards = []
    for path in MODULES:
        own = room([*path.relative_to(PACKAGE).with_suffix("").parts])
        for line, module in imported(path) if own else ():
            # The package itself, that is the version number, is nobody's layer.
            if room(module) and LAYERS.index(room(module)) > LAYERS.index(own):
                upwards.append(f"{path.relative_to(PACKAGE)}:{line}: {own} imports {room(module)}")
    assert upwards == []


def test_no_module_imports_one_that_imports_it() -> None:
    """Neither directly nor by way of others, wherever in a module the import stands."""
    known = {path.relative_to(PACKAGE).with_suffix("").as_posix(): path for path in MODULES}
    graph = {name: {"/".join(module) for _, module in imported(path)} & known.keys() - {name} for name, path in known.items()}
    with pytest.raises(graphlib.CycleError):
        tuple(graphlib.TopologicalSorter({"a": {"b"}, "b": {"a"}}).static_order())
    assert set(graphlib.TopologicalSorter(graph).static_order()) == set(known)


def test_a_room_is_small_enough_to_know() -> None:
    """At most 16 modules, except for the commands, each of which is one."""
    rooms = {path.parent for path in MODULES} - {PACKAGE / "cli" / "commands"}
    assert [str(folder) for folder in rooms if len(list(folder.glob("[!_]*.py"))) > 16] == []


@pytest.mark.parametrize("name", [*LAYERS, "nix", "cli.commands"])
def test_a_room_says_what_it_is_for(name: str) -> None:
    first = ast.get_docstring(ast.parse((PACKAGE.joinpath(*name.split(".")) / "__init__.py").read_bytes())) or ""
    assert "may import" in first
    assert "Start with" in first


def test_every_module_is_in_a_layer() -> None:
    outside = {path.relative_to(PACKAGE).as_posix() for path in MODULES if not room([*path.relative_to(PACKAGE).parts])}
    assert outside == {"__init__.py", "__main__.py", "nix/__init__.py"}


def test_files_that_are_no_python_are_shipped() -> None:
    listed = re.search(r"^package-data\.tomoyo = \[(.*)\]$", (PACKAGE.parent / "pyproject.toml").read_text(), re.MULTILINE)
    assert listed
    shipped = {path for pattern in re.findall(r'"([^"]+)"', listed[1]) for path in PACKAGE.glob(pattern)}
    others = {path for path in PACKAGE.rglob("*") if path.is_file() and path.suffix != ".py" and "__pycache__" not in path.parts}
    # The wheel has the licence beside its metadata.
    assert others - shipped == {PACKAGE / "LICENSE"}


def test_the_licence_goes_along_with_the_package() -> None:
    assert (PACKAGE / "LICENSE").read_bytes() == (PACKAGE.parent / "LICENSE").read_bytes()


def test_errors_are_of_this_package() -> None:
    """What the command line raises never leaves it; an `OSError` is of a file."""
    bare = {"Exception", "ValueError", "TypeError", "LookupError", "KeyError", "IndexError", "RuntimeError"}
    found = []
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_bytes())) if PACKAGE / "cli" not in path.parents else ():
            raised = node.exc.func if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call) else None
            if raised and ast.unparse(raised) in bare:
                found.append(f"{path.relative_to(PACKAGE)}:{node.lineno}")
    assert found == []


#: Where a value is meant as Python writes it, or a single control character for a terminal.
AS_PYTHON = {
    *{("__init__.py", "__getattr__"), ("decision/matching.py", "__repr__"), ("cli/messages.py", "visible")},
    *{("sets/directory.py", "printable"), ("kernel/securityfs.py", "printable_domain")},
    *{("sets/policy_set.py", "_unwritable"), ("cli/options.py", "_as_written")},
}


def test_messages_show_words_as_policy_has_them() -> None:
    """``repr`` doubles backslashes, which changes what a word means: ``model.words.quoted`` does not."""
    found = []
    for path in MODULES:
        name = path.relative_to(PACKAGE).as_posix()
        for function in ast.walk(ast.parse(path.read_bytes())):
            if not isinstance(function, ast.FunctionDef) or (name, function.name) in AS_PYTHON:
                continue
            for node in ast.walk(function):
                if isinstance(node, ast.FormattedValue):
                    wrong = node.conversion in (ord("r"), ord("a"))
                else:
                    wrong = isinstance(node, ast.Call) and ast.unparse(node.func) in ("repr", "ascii")
                if wrong:
                    found.append(f"{name}:{node.lineno}")
    assert found == []


def python(*arguments: str, folder: Path, stdin: str = "") -> str:
    """What a fresh, isolated Python prints, run in FOLDER."""
    command = [sys.executable, "-S", "-E", "-W", "error", *arguments]
    done = subprocess.run(command, cwd=folder, input=stdin, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


EVERYTHING = """
import importlib, pkgutil, sys
package = importlib.import_module(sys.argv[1])
for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
for name in package.__all__:
    getattr(package, name)
assert not any(name == "tomoyo" or name.startswith("tomoyo.") for name in sys.modules)
policy = package.parse_domain_policy(sys.stdin.read())
sys.stdout.write(package.format_domain_policy(policy))
"""


def test_the_folder_works_under_another_name(tmp_path: Path) -> None:
    vendor = tmp_path / "thirdparty" / "_vendor"
    shutil.copytree(PACKAGE, vendor / "policy", ignore=shutil.ignore_patterns("__pycache__"))
    for folder in (vendor, vendor.parent):
        (folder / "__init__.py").touch()
    assert python("-c", EVERYTHING, "thirdparty._vendor.policy", folder=tmp_path, stdin=POLICY) == FORMATTED
    command = ("-m", "thirdparty._vendor.policy", "fmt", "--kind", "domain", "-")
    assert python(*command, folder=tmp_path, stdin=POLICY) == FORMATTED


def test_the_folder_works_from_a_zip(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "library.zip", "w") as archive:
        for path in PACKAGE.rglob("*"):
            if "__pycache__" not in path.parts and path.is_file():
                archive.write(path, Path("vendored") / path.relative_to(PACKAGE))
    script = f"import sys; sys.path.insert(0, 'library.zip')\n{EVERYTHING}"
    assert python("-c", script, "vendored", folder=tmp_path, stdin=POLICY) == FORMATTED


#: All that `import tomoyo` loads that Python itself does not.
IMPORTED = {"__future__", "tomoyo", "typing"}


def loaded(script: str) -> set[str]:
    """The modules that SCRIPT loads beyond those of a Python that does nothing."""
    show = "import sys; print(*sys.modules)"
    before = python("-c", show, folder=PACKAGE.parent).split()
    return set(python("-c", f"{script}\n{show}", folder=PACKAGE.parent).split()) - set(before)


def test_importing_the_package_loads_next_to_nothing() -> None:
    assert loaded("import tomoyo") <= IMPORTED


def test_parsing_loads_no_more_than_it_needs() -> None:
    found = {name for name in loaded("import tomoyo; tomoyo.parse_domain_policy") if name.startswith("tomoyo.")}
    layers = {name.split(".")[1] for name in found}
    assert layers == {"model", "syntax"}


def test_the_version_is_printed_without_loading_anything_else() -> None:
    script = "import sys; sys.argv[1:] = ['--version']; from tomoyo.cli import main; main()"
    show = loaded(f"import io, sys; sys.stdout = io.StringIO()\n{script}\nsys.stdout = sys.__stdout__")
    assert {name for name in show if name.startswith("tomoyo")} == {
        *("tomoyo", "tomoyo.cli", "tomoyo.cli.messages", "tomoyo.cli.streams"),
    }
    assert not show & {"argparse", "re", "dataclasses", "json", "collections.abc", "importlib.metadata"}


TESTS = Path(__file__).parent


def calls(path: Path) -> Iterator[tuple[int, str]]:
    """Every call of a module's function in the test at PATH, as "random.choice()"; with "..." where it has arguments."""
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Name):
            given = "..." if node.args or node.keywords else ""
            yield node.lineno, f"{node.func.value.id}.{node.func.attr}({given})"


def test_no_test_draws_a_seed_of_its_own() -> None:
    """`seeds` alone decides what is random."""
    chance = re.compile(r"(secrets|uuid)\.|os\.(urandom|getrandom)\(|random\.(?!Random\(\.\.\.\))")
    found = [
        f"{path.relative_to(TESTS)}:{line}: {call}"
        for path in sorted(TESTS.rglob("*.py"))
        for line, call in calls(path)
        if chance.match(call) and path.name != "seeds.py"
    ]
    assert found == []


#: Who measures, and is no test; and who waits until a kernel's own time is over, or asks again and again in a guest.
CLOCKS = ("bench/", "vm/jobs/activation_speed.py", "vm/jobs/audit_speed.py", "vm/jobs/boot_speed.py", "fuzz.py")
SLEEPERS = ("vm/jobs/answering.py", "vm/guest.py")


def test_no_test_depends_on_a_clock() -> None:
    """A busy machine is no failure: benchmarks measure; a test counts what is done (see `work`), or waits until it is so."""
    found = []
    for path in sorted(TESTS.rglob("*.py")):
        name = path.relative_to(TESTS).as_posix()
        used = [(line, call) for line, call in calls(path) if re.match(r"time\.|timeit\.|os\.times|resource\.getrusage", call)]
        used += [(line, module) for line, level, module in imports(path) if not level and module in ("time", "timeit")]
        if name in SLEEPERS:
            used = [(line, call) for line, call in used if call not in ("time", "time.sleep(...)")]
        if not name.startswith(CLOCKS):
            found += [f"{name}:{line}: {call}" for line, call in used]
    assert found == []
