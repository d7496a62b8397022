"""Which bindings of an older generation stay: what a process does counts only in a domain that uses the name."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.activation.sets import NEW, OLD, STORE, Counting, bindings, options, policy, process, put
from tomoyo.activation.activation import activate
from tomoyo.activation.cleanup import collect_garbage
from tomoyo.kernel import bindings_in_use as store_use

NGINX = "<kernel> nix:/nginx/bin/nginx"
PROGRAM, FILE = bindings(OLD).splitlines()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    tmp_path.chmod(0o755)
    return tmp_path


def kept(folder: Path, domain: str, entries: str = "", exceptions: str = "", groups: str = "", **use: str) -> set[str]:
    """What an upgrade keeps while a process, by default of some other program, is in DOMAIN and USEs the old store path."""
    kernel = Counting()
    where = options(folder)
    domains = policy().domain_policy
    if domain not in domains:
        domains += f"{domain}\nuse_profile 0\n{groups}\n{entries}\n\n"
    process(folder, 7, **{"exe": "/bin/sh", **use})
    kernel.processes[7] = domain
    old, new = (replace(policy(path, domains), exception_policy=exceptions) for path in (OLD, NEW))
    activate(put(folder, "old", old), kernel, **where)
    outcome = activate(put(folder, "new", new), kernel, **where)
    held = set(kernel.read("exception_policy").splitlines())
    assert held == {*bindings(NEW).splitlines(), *exceptions.splitlines(), *outcome.kept}
    # The next activation and the collector see it as this one did, and take what nobody needs any more.
    assert not activate(folder / "new", kernel, **where)
    assert not collect_garbage(None, kernel, **where)
    kernel.processes.clear()
    assert collect_garbage(None, kernel, **where).changes == len(outcome.kept)
    return set(outcome.kept)


@pytest.mark.parametrize(
    "use",
    [
        {"exe": f"{OLD}/bin/nginx"},
        {"exe": f"{OLD}/bin/nginx (deleted)"},
        {"exe": f"{OLD}/libexec/helper"},
        {"maps": f"{OLD}/lib/x.so"},
        {"maps": f"{OLD}/lib/x.so (deleted)"},
        {"maps": OLD},
    ],
)
def test_the_program_itself(folder: Path, use: dict[str, str]) -> None:
    assert kept(folder, NGINX, **use) == {PROGRAM, FILE}


@pytest.mark.parametrize(
    "use",
    [
        {"cwd": f"{OLD}/bin"},
        {"root": OLD},
        {"fd/3": f"{OLD}/etc/conf"},
        {"fd/3": OLD},
        {"exe": f"{OLD}x/bin/nginx"},
        {"exe": f"/mnt{OLD}/bin/nginx"},
        {"maps": f"/tmp/ {OLD}/lib/x.so"},
        {"maps": f"{STORE}/{'c' * 32}-evil\\012{OLD}/lib"},
    ],
)
def test_neither_what_is_open_nor_what_only_looks_so(folder: Path, use: dict[str, str]) -> None:
    assert kept(folder, NGINX, **use) == set()


@pytest.mark.parametrize("domain", ["<kernel>", "<kernel> /bin/sh", f"{NGINX} /bin/sh", "<kernel> nix:/nginx/bin/nginx2"])
@pytest.mark.parametrize("use", [{"exe": f"{OLD}/bin/nginx"}, {"maps": f"{OLD}/bin/nginx"}])
def test_nothing_in_a_domain_that_does_not_use_the_name(folder: Path, domain: str, use: dict[str, str]) -> None:
    entries = "file read/write/execute /\\*\nfile read @nix:/other/etc/conf\nfile execute /bin/nginx\n"
    assert kept(folder, domain, entries, **use) == set()


EXECUTING = (
    ("file execute nix:/nginx/bin/nginx", ""),
    ("file execute/read nix:/nginx/bin/nginx", ""),
    ("file execute nix:/nginx/bin/\\*", ""),
    ("file execute nix:/nginx/bin/nginx keep exec.argc=1", ""),
    ("file execute @servers", "path_group servers nix:/nginx/bin/nginx\n"),
    ("file execute @servers", "path_group servers nix:/\\*/bin/nginx\n"),
)


@pytest.mark.parametrize(("entry", "exceptions"), EXECUTING)
@pytest.mark.parametrize("is_shared", [False, True])
def test_a_domain_that_executes_the_program_and_runs_from_its_store_path(
    folder: Path, entry: str, exceptions: str, is_shared: bool
) -> None:
    use = {"exe": f"{OLD}/libexec/master"}
    if is_shared:
        exceptions += f"acl_group 5 {entry}\n"
        assert kept(folder, "<kernel> /master", "", exceptions, "use_group 5\n", **use) == {PROGRAM}
    else:
        assert kept(folder, "<kernel> /master", entry, exceptions, **use) == {PROGRAM}


@pytest.mark.parametrize(("entry", "exceptions"), EXECUTING)
def test_a_mapping_keeps_no_other_program(folder: Path, entry: str, exceptions: str) -> None:
    """Any user may map any file of the store, in a shell that may execute most programs."""
    assert kept(folder, "<kernel> /shell", entry, exceptions, maps=f"{OLD}/bin/nginx") == set()


@pytest.mark.parametrize("use", [{"exe": f"{OLD}/libexec/master"}, {"maps": f"{OLD}/lib/x.so"}])
def test_a_domain_with_an_entry_for_the_file(folder: Path, use: dict[str, str]) -> None:
    assert kept(folder, "<kernel> /master", "file read @nix:/nginx/etc/conf", **use) == {FILE}


def test_a_shared_entry_counts_where_it_is_used(folder: Path) -> None:
    shared = "acl_group 5 file read @nix:/nginx/etc/conf\n"
    assert kept(folder, "<kernel> /master", "", shared, "use_group 6\n", maps=f"{OLD}/lib/x.so") == set()


def test_each_namespace_for_itself(folder: Path) -> None:
    kernel = Counting()
    where = options(folder)
    profiles = policy().profile
    both = "".join(f"{space} {line}\n" for space in ("<kernel>", "<other>") for line in profiles.splitlines())

    def of(path: str) -> str:
        return "".join(f"<other> {line}\n" for line in bindings(path).splitlines()) + bindings(path)

    domains = f"<other>\nuse_profile 0\n\n\n<other> nix:/nginx/bin/nginx\nuse_profile 0\n\n\n{policy().domain_policy}"
    old, new = (replace(policy(path, domains), bindings=of(path), profile=both) for path in (OLD, NEW))
    activate(put(folder, "old", old), kernel, **where)
    process(folder, 7, f"{OLD}/bin/nginx")
    kernel.processes[7] = "<other> nix:/nginx/bin/nginx"
    assert activate(put(folder, "new", new), kernel, **where).kept == (f"<other> {PROGRAM}",)


def test_what_cannot_be_looked_at_counts_in_its_domain(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(store_use, "_program", refuse)
    assert kept(folder, "<kernel> /master", "file execute nix:/nginx/bin/nginx") == {PROGRAM}


@pytest.mark.parametrize(
    ("domain", "cmdline", "is_kept"),
    [
        (NGINX, f"/bin/sh\0{OLD}/bin/nginx\0x\0", True),
        (NGINX, f"/bin/sh\0-e\0{OLD}/bin/nginx\0", True),
        (NGINX, f"/bin/sh\0{NEW}/bin/nginx\0{OLD}/bin/nginx\0", False),  # what the caller gave
        (NGINX, f"{OLD}/bin/nginx\0", False),  # as a program calls itself
        ("<kernel> /bin/other", f"/bin/sh\0{OLD}/bin/nginx\0", False),
    ],
)
def test_a_script_runs_from_where_the_kernel_found_it(folder: Path, domain: str, cmdline: str, is_kept: bool) -> None:
    entries = "file execute nix:/nginx/bin/nginx\nfile read @nix:/nginx/etc/conf"
    assert bool(kept(folder, domain, entries, cmdline=cmdline)) == is_kept


@pytest.mark.parametrize(
    ("domain", "opened", "is_kept"),
    [
        (NGINX, f"{OLD}/bin/nginx", True),
        (NGINX, OLD, False),  # any user may open a directory
        (NGINX, f"{OLD}/etc/conf", False),
        (NGINX, f"{NEW}/bin/nginx", False),
        ("<kernel> /bin/other", f"{OLD}/bin/nginx", False),
    ],
)
def test_a_script_called_through_a_link_that_changed_is_known_by_what_its_shell_has_open(
    folder: Path, domain: str, opened: str, is_kept: bool
) -> None:
    entries = "file execute nix:/nginx/bin/nginx\nfile read @nix:/nginx/etc/conf"
    cmdline = "/bin/sh\0/run/current-system/sw/bin/nginx\0"
    assert bool(kept(folder, domain, entries, cmdline=cmdline, **{"fd/10": opened})) == is_kept


def test_what_ends_meanwhile_counts_for_nothing(folder: Path) -> None:
    kernel = Counting()
    where = options(folder)
    kernel.processes.update({7: NGINX, 8: NGINX})
    (folder / "proc" / "8").mkdir()
    activate(put(folder, "old", policy(OLD)), kernel, **where)
    assert activate(put(folder, "new", policy(NEW)), kernel, **where).kept == ()


def test_only_exact_bindings_are_of_a_store_path() -> None:
    found = list(store_use.bindings(bindings(OLD)))
    assert [(binding.name, binding.path, binding.is_program) for binding in found] == [
        ("nix:/nginx/bin/nginx", f"{OLD}/bin/nginx", True),
        ("nix:/nginx/etc/conf", f"{OLD}/etc/conf", False),
    ]
    assert {binding.store_path for binding in found} == {OLD.rpartition("/")[2]}
    assert [binding.line for binding in found] == [PROGRAM, FILE]
    others = (
        f"aggregator {OLD}/bin/x /bin/x",
        "aggregator /run/wrappers/\\*/su nix:/wrappers/su",
        f"path_group x {OLD}/y",
        "aggregator /nix/store/\\*-x/bin/x nix:/x/bin/x",
        "aggregator /nix/store/ nix:/x/bin/x",
        f"acl_group 1 file read {OLD}/y",
        "",
    )
    assert not list(store_use.bindings("\n".join(others)))
