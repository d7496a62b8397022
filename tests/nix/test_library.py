"""The policy library: how sources take from it, that all of it compiles, and what each module grants and does not grant."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

import tomoyo
from tomoyo.cli import main
from tomoyo.decision.engine import DecisionEngine
from tomoyo.decision.requests import parse_request
from tomoyo.lint.linter import lint_policy
from tomoyo.model.diagnostics import Severity
from tomoyo.model.profiles import ServiceState
from tomoyo.model.records import FileAttributes, Task
from tomoyo.nix.names.name_uses import policy_uses
from tomoyo.nix.names.names import WRAPPERS, NameTable, parse_name
from tomoyo.nix.source.compile import Compiled, CompileSettings, compile_policy
from tomoyo.nix.source.files import SourceError
from tomoyo.nix.source.library import library_modules, library_services, read_sources
from tomoyo.nix.source.lint import lint_names, policy_texts
from tomoyo.nix.source.module_numbers import FIRST_NUMBER
from tomoyo.nix.source.policy import combine_sources
from tomoyo.nix.store.closure_formats import parse_paths
from tomoyo.nix.store.tree import Tree
from tomoyo.syntax.policy_text import LIBRARY, PolicyText, TextKind

from .sources import combined, refusals, shown, write_source
from .test_compile import PROGRAM, store_path, write_store

DOMAIN = "<kernel> /usr/bin/x\nuse_profile 3"
FOLDER = Path(tomoyo.__file__).parent / "policies"
ENFORCED = dict.fromkeys(library_services(), ServiceState.ENFORCE)


def taken(*sources: Path, services: dict[str, ServiceState] | None = None) -> list[PolicyText]:
    """What SOURCES take from the library."""
    return [file for file in read_sources(sources, services) if file.directory == LIBRARY]


# Taking from it


def test_a_source_takes_the_modules_that_it_uses_and_lacks(tmp_path: Path) -> None:
    source = write_source(
        tmp_path,
        domains__a=f"{DOMAIN}\nuse_group base\n\tuse_group   tls  \nuse_group mine\nuse_group 9",
        modules__mine="file read /mine",
        modules__unused="file read /x",
        exceptions__a="acl_group 9 file read /nine",
    )
    found = taken(source)
    assert [(Path(file.name).name, file.kind) for file in found] == [
        ("base.conf", TextKind.MODULE),
        ("tls.conf", TextKind.MODULE),
        ("module-numbers.conf", TextKind.NUMBERS),
    ]
    assert all(file.name.startswith(str(FOLDER)) for file in found)
    modules = combined(source).modules
    assert (modules["base"], modules["tls"]) == (1, 3)
    assert modules["mine"] >= FIRST_NUMBER


def test_a_source_that_uses_none_takes_nothing(tmp_path: Path) -> None:
    assert taken(write_source(tmp_path, domains__a=f"{DOMAIN}\n# use_group base\nfile read /use_group", modules__b="")) == []


def test_a_module_of_a_source_takes_the_place_of_the_library_s(tmp_path: Path) -> None:
    source = write_source(tmp_path / "source", domains__a=f"{DOMAIN}\nuse_group base", modules__base="file read /own")
    assert taken(source) == []
    policy = combined(source)
    assert [str(entry) for part in policy.exceptions for _, entries in part.acl_groups for entry in entries] == ["file read /own"]
    # It has the number of its name, not the library's.
    assert policy.modules["base"] >= FIRST_NUMBER
    # One source's module is every source's.
    user = write_source(tmp_path / "user", domains__b="<kernel> /b\nuse_profile 3\nuse_group base")
    assert taken(user, source) == []


def test_a_source_pins_modules_of_the_library_as_its_own(tmp_path: Path) -> None:
    source = write_source(tmp_path / "source", domains__a=f"{DOMAIN}\nuse_group base", **{"module-numbers": "base 99"})
    assert combined(source).modules == {"base": 99}
    write_source(source, modules__mine="file read /x", **{"module-numbers": "mine 1"})
    (error,) = refusals(source)
    assert error.startswith("source/module-numbers.conf:1:1: ")
    assert "module-numbers.conf:2 gives 1 to module base: 'mine 1'" in error
    write_source(source, exceptions__a="acl_group 1 file read /x", **{"module-numbers": "mine 20"})
    assert "an exception policy has an acl_group 1 of its own" in refusals(source)[0]
    # Numbers of modules that nobody uses are free.
    write_source(source, domains__a=f"{DOMAIN}\nuse_group mine", **{"module-numbers": "mine 1"}, exceptions__a="")
    assert combined(source).modules == {"mine": 1}


def test_a_misspelt_module_is_told_with_the_library_s_in_mind(tmp_path: Path) -> None:
    source = write_source(tmp_path / "source", domains__a=f"{DOMAIN}\nuse_group name-servce")
    assert refusals(source) == ["source/domains/a.conf:3:11: there is no module 'name-servce'; did you mean 'name-service'?"]


@pytest.mark.parametrize("state", ServiceState)
def test_a_service_comes_in_a_state(tmp_path: Path, state: ServiceState) -> None:
    source = write_source(tmp_path, manager="<kernel>")
    files = read_sources([source], {"nginx": state})
    policy = combine_sources(files)
    (nginx,) = [domain for domain in policy.domains if domain.name.text == "<kernel> nix:/nginx/bin/nginx"]
    assert nginx.profile == state.value
    # Lines are where they are in the file.
    (given,) = [file for file in files if file.name.endswith("/domains/nginx.conf")]
    assert given.text.split("\n")[10:] == Path(given.name).read_text().split("\n")[10:]


def test_what_a_source_says_of_a_service_is_added_and_counts(tmp_path: Path) -> None:
    domain = "<kernel> nix:/nginx/bin/nginx"
    source = write_source(tmp_path, domains__nginx=f"{domain}\nfile read/getattr /home/www/\\*")
    for state in (ServiceState.PERMISSIVE, ServiceState.ENFORCE):
        policy = combine_sources(read_sources([source], {"nginx": state}))
        (nginx,) = [found for found in policy.domains if found.name.text == domain]
        assert nginx.profile == state.value
        assert {"file read/getattr /home/www/\\*", "file read/getattr @nix:/nginx.conf"} <= set(map(str, nginx.entries))
    write_source(source, domains__nginx=f"{domain}\nuse_profile 1")
    policy = combine_sources(read_sources([source], {"nginx": ServiceState.ENFORCE}))
    assert [found.profile for found in policy.domains if found.name.text == domain] == [1]


def test_an_unknown_service_and_other_profiles_are_refused(tmp_path: Path) -> None:
    source = write_source(
        tmp_path / "source", profile="PROFILE_VERSION=20150505\n3-CONFIG={ mode=learning grant_log=no reject_log=yes }"
    )
    with pytest.raises(SourceError) as caught:
        read_sources([source], {"ngnix": ServiceState.PERMISSIVE, "nginx": ServiceState.ENFORCE})
    unknown, other = shown(caught.value.diagnostics, tmp_path)
    assert unknown.startswith("the library has no policy for 'ngnix'; did you mean 'nginx'?")
    assert "nginx" in unknown
    assert other == "source/profile.conf: profile 3 is not enforcing, which the library's state enforce takes it for"
    # Without such a state the profile is nobody's business.
    assert read_sources([source], {"nginx": ServiceState.PERMISSIVE})


def test_the_library_works_from_a_zip(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "library.zip", "w") as archive:
        for path in FOLDER.parent.rglob("*"):
            if "__pycache__" not in path.parts and path.is_file():
                archive.write(path, Path("vendored") / path.relative_to(FOLDER.parent))
    script = """
import sys; sys.path.insert(0, "library.zip")
from vendored.model.profiles import ServiceState
from vendored.nix.source.library import library_modules, library_services, read_sources
print(*library_services()); print(*library_modules())
print(len(read_sources([], {"nginx": ServiceState.ENFORCE})))
"""
    done = subprocess.run([sys.executable, "-I", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    services, modules, count = done.stdout.split("\n")[:3]
    assert services.split() == list(library_services())
    assert modules.split() == list(library_modules())
    assert int(count) > 5


# The command


def nginx_system(folder: Path) -> Path:
    """A system with nginx and little else."""
    return write_store(
        folder, {store_path("nginx-1.28.0"): {"/bin/nginx": PROGRAM}, store_path("glibc-2.40"): {"/lib/libc.so.6": b""}}
    )


def command(system: Path, *arguments: object) -> int:
    return main(["compile", *map(str, arguments), "--root", str(system), "--closure-file", str(system / "store-paths")])


def test_the_command_takes_services_by_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    system = nginx_system(tmp_path / "system")
    source = write_source(tmp_path / "source", manager="<kernel>")
    for option, profile in {"nginx": 2, "nginx=enforce": 3, "nginx=disable": 0}.items():
        assert command(system, source, "--library", option, "-o", tmp_path / "set") == 0
        text = (tmp_path / "set/domain_policy.conf").read_text()
        assert f"<kernel> nix:/nginx/bin/nginx\nuse_profile {profile}\nuse_group 1\n" in text
    # No source is needed, though somebody should manage.
    assert command(system, "--library", "nginx", "--check") == 0
    assert "there is no manager" in capsys.readouterr().err


def test_the_command_refuses_what_there_is_not(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    system = nginx_system(tmp_path / "system")
    for arguments, message in {
        ("--library", "ngnix", "--check"): "the library has no policy for 'ngnix'",
        ("--library", "nginx=on", "--check"): "a state is one of disable, learn, permissive, enforce",
        ("--check",): "say what to compile",
        ("--library", "lighttpd", "--check"): "services/lighttpd/domains/lighttpd.conf",
    }.items():
        assert command(system, *arguments) == 2
        assert message in capsys.readouterr().err


def test_the_same_sources_give_the_same_bytes(tmp_path: Path) -> None:
    system = nginx_system(tmp_path / "system")
    for name in ("one", "two"):
        shutil.copytree(write_source(tmp_path / "source", manager="<kernel>"), tmp_path / name / "source")
        assert command(system, tmp_path / name / "source", "--library", "nginx", "-o", tmp_path / name / "set", "-q") == 0
    first, second = ({path.name: path.read_bytes() for path in (tmp_path / name / "set").iterdir()} for name in ("one", "two"))
    assert first == second


# What is in it


def everything(folder: Path) -> Path:
    """A source with a domain for each module of the library."""
    text = "".join(f"<kernel> /m/{name}\nuse_profile 3\nuse_group {name}\n\n" for name in library_modules())
    return write_source(folder, domains__modules=text, domains__kernel="<kernel>\nuse_profile 0", manager="<kernel>")


def test_every_module_has_a_number_of_its_own_that_automatic_ones_leave_free(tmp_path: Path) -> None:
    lines = (FOLDER / "module-numbers.conf").read_text().split("\n")
    pins = {line.split()[0]: int(line.split()[1]) for line in lines if line and not line.startswith("#")}
    services = {path.stem for path in FOLDER.glob("services/*/modules/*.conf")}
    assert set(pins) == {*library_modules(), *(services & set(pins))}
    assert len(set(pins.values())) == len(pins)
    assert all(0 < number < FIRST_NUMBER for number in pins.values())


def test_all_of_it_together_is_a_policy_and_lint_clean(tmp_path: Path) -> None:
    files = read_sources([everything(tmp_path / "source")], ENFORCED)
    problems: list[object] = []
    policy = combine_sources(files, report=problems.append)
    assert problems == []
    assert {domain.name.text.split(" ")[1] for domain in policy.domains if len(domain.name.text.split(" ")) > 1} >= {
        "nix:/nginx/bin/nginx",
        "nix:/lighttpd/bin/lighttpd",
    }
    findings = [str(one) for one in lint_policy(policy_texts(files)) if one.severity.reaches(Severity.WARNING)]
    assert [finding for finding in findings if str(FOLDER) in finding] == []


def test_lint_says_nothing_of_packages_that_the_library_names_and_a_system_lacks(tmp_path: Path) -> None:
    system = nginx_system(tmp_path / "system")
    source = write_source(
        tmp_path / "source",
        domains__a="<kernel> nix:/nginx/bin/nginx\nuse_profile 3\nuse_group base\nuse_group libraries\nfile read @nix:/lost/x",
        exceptions__a="initialize_domain nix:/nginx/bin/nginx from any",
        manager="<kernel>",
    )
    names = NameTable(parse_paths((system / "store-paths").read_text()))
    found = [str(one) for one in lint_names(policy_texts(read_sources([source])), names, Tree(str(system)))]
    assert [line.split("[")[-1] for line in found if "nix:/" in line] == ["unresolved-name]"], found


def test_lint_judges_services_together_with_what_is_added(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    added = write_source(
        tmp_path, domains__nginx="<kernel> nix:/nginx/bin/nginx\nfile write /nix/store/x/bin/y", manager="<kernel>"
    )
    assert main(["lint", str(added), "--library", "nginx=enforce", "--fail-on", "error"]) == 1
    found = capsys.readouterr().out
    assert "[store-write]" in found
    assert "implicit-profile" not in found
    assert main(["lint", "--library", "nginx=enforce", "--allow", "no-manager"]) == 0
    assert main(["lint", "--library", "nginx=on"]) == 2


def test_the_document_has_all_modules_and_services() -> None:
    text = (FOLDER.parents[1] / "docs/reference/library.md").read_text()
    rows = re.findall(r"^\| `([a-z-]+)` \|", text, re.MULTILINE)
    assert sorted(rows) == sorted([*library_modules(), *library_services()])


def test_permissive_is_what_the_files_themselves_say() -> None:
    for path in FOLDER.glob("services/*/domains/*.conf"):
        profiles = set(re.findall(r"^use_profile ([0-9]+)$", path.read_text(), re.MULTILINE))
        # Profile 0 is where a service's confinement ends.
        assert profiles - {"0"} == {"2"}, path


def test_no_name_hangs_on_a_hash_or_a_version_and_nothing_spans_the_store() -> None:
    for path in FOLDER.rglob("*.conf"):
        assert "/nix/store" not in path.read_text(), path
        for name in re.findall(r"nix:/\S+", re.sub(r"(?m)^#.*$", "", path.read_text())):
            parsed = parse_name(name)
            # Files below /etc have names of their own, such as fc-00-nixos-cache.conf.
            assert parsed.version is None or parsed.version.endswith(".conf"), (path, name)
            assert "\\" not in parsed.package, (path, name)


def _filled(pattern: str, text: str) -> str:
    """Something that PATTERN, one of those that the library uses, matches: TEXT in the place of the wildcards."""
    filled = re.sub(r"\\[{}]", "", pattern.replace("\\*", text).replace("\\$", "1").replace("\\?", "x"))
    assert "\\" not in filled, pattern
    return filled


def standin(files: tuple[PolicyText, ...], folder: Path) -> NameTable:
    """A closure that has a file for each name in FILES: the name itself, with something in the place of each pattern."""
    policy = combine_sources(files)
    paths: set[str] = set()
    for use in policy_uses(policy.domains, policy.exceptions, policy.managers):
        name = parse_name(use.text)
        if name.key == WRAPPERS:
            continue
        version = name.version or ("1.0" if name.file else "")
        output = "" if name.output == "out" else name.output
        path = store_path("-".join(part for part in (name.package, version, output) if part))
        paths.add(path)
        *folders, last = name.file.split("/")
        place = folder / (path + "/".join([*(_filled(part, "d") for part in folders), _filled(last, "x")])).lstrip("/")
        if name.file.endswith("/"):
            place.mkdir(parents=True, exist_ok=True)
        else:
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(PROGRAM)
            place.chmod(0o755)
    return NameTable(parse_paths("".join(f"{path}\n" for path in sorted(paths))))


def test_every_name_can_be_bound_where_all_packages_are(tmp_path: Path) -> None:
    files = read_sources([everything(tmp_path / "source")], ENFORCED)
    # As another source it has no name that may be missing.
    strict = tuple(replace(file, directory=0) for file in files)
    compiled = compile_policy(strict, standin(files, tmp_path), Tree(str(tmp_path)))
    assert [warning for warning in compiled.warnings if warning.severity is Severity.ERROR] == []
    assert "path_group nix:/zlib/lib/\\*.so\\* /nix/store/" in compiled.policy.bindings


def test_nothing_but_the_services_programs_must_be_there(tmp_path: Path) -> None:
    files = read_sources([everything(tmp_path / "source")])
    (tmp_path / "nix/store").mkdir(parents=True)
    settings = CompileSettings()
    compiled = compile_policy(files, NameTable(parse_paths("")), Tree(str(tmp_path)), settings=settings)
    assert compiled.policy.bindings == ""
    assert compiled.warnings == ()


# What it grants

GLIBC, ZONES, LOCALES, BASH, TOOLS, TRUST, OPENSSL, ZLIB = (
    store_path(name)
    for name in (
        *("glibc-2.40-66", "tzdata-2025b", "glibc-locales-2.40-66", "bash-5.2p37", "coreutils-9.5", "nss-cacert-3.108"),
        *("openssl-3.4.1", "zlib-1.3.1"),
    )
)
PACKAGES: dict[str, dict[str, bytes | str]] = {
    GLIBC: {
        "/lib/libc.so.6": b"",
        "/lib/ld-linux-x86-64.so.2": PROGRAM,
        "/lib/gconv/gconv-modules.cache": b"",
        "/bin/ldd": PROGRAM,
        "/etc/rpc": b"",
    },
    ZONES: {"/share/zoneinfo/Europe/Berlin": b"", "/share/zoneinfo/UTC": b""},
    LOCALES: {"/lib/locale/locale-archive": b""},
    BASH: {"/bin/bash": PROGRAM, "/bin/sh": "bash"},
    TOOLS: {"/bin/coreutils": PROGRAM, "/bin/cat": "coreutils"},
    TRUST: {"/etc/ssl/certs/ca-bundle.crt": b""},
    OPENSSL: {"/lib/libssl.so.3": b"", "/lib/ossl-modules/legacy.so": b"", "/etc/ssl/openssl.cnf": b""},
    ZLIB: {"/lib/libz.so.1.3.1": b""},
    store_path("etc-nsswitch.conf"): {"": b""},
    store_path("hosts"): {"": b""},
    store_path("iana-etc-20250108"): {"/etc/services": b""},
    store_path("systemd-257.3"): {"/lib/libnss_resolve.so.2": b"", "/lib/systemd/systemd": PROGRAM},
    # Somebody else's package with a name of ours, which is in no closure.
    store_path("glibc-2.40-66", "b"): {"/lib/libc.so.6": b""},
}
STRANGER = store_path("glibc-2.40-66", "b")
#: Of each module what it grants, and what it does not though it is near.
GRANTS: dict[str, tuple[list[str], list[str]]] = {
    "base": (
        [
            f"file read {GLIBC}/lib/libc.so.6",
            f"file getattr {GLIBC}/lib/ld-linux-x86-64.so.2",
            f"file read {GLIBC}/lib/gconv/gconv-modules.cache",
            f"file read {LOCALES}/lib/locale/locale-archive",
            f"file read {ZONES}/share/zoneinfo/UTC",
            f"file read {ZONES}/share/zoneinfo/Europe/Berlin",
            *("file read /dev/null", "file write /dev/full", "file read /dev/urandom", "file ioctl /dev/tty 0x5401"),
            *("file read proc:/self/maps", "file read proc:/self/task/17/stat", "file read proc:/sys/vm/overcommit_memory"),
            *("file read /sys/devices/system/cpu/online", "file write pipe:[77]"),
            *("misc env PATH", "misc env LC_TIME", "misc env TZDIR"),
        ],
        [
            f"file read {STRANGER}/lib/libc.so.6",
            f"file write {GLIBC}/lib/libc.so.6",
            f"file read {GLIBC}/bin/ldd",
            f"file read {ZLIB}/lib/libz.so.1.3.1",
            f"file execute {GLIBC}/lib/ld-linux-x86-64.so.2",
            *("file write /dev/urandom", "file read /dev/sda", "file read /dev/mem", "file ioctl /dev/tty 0x5412"),
            *("file read proc:/1/environ", "file write proc:/self/mem", "file write proc:/self/oom_score_adj"),
            *("file read proc:/sys/kernel/kptr_restrict", "file write proc:/sys/kernel/hostname", "file read /etc/passwd"),
            *("misc env LD_PRELOAD", "misc env LD_LIBRARY_PATH", "misc env GCONV_PATH", "misc env BASH_ENV"),
            *("network unix stream connect /run/nscd/socket", "network inet stream connect 10.0.0.1 80"),
        ],
    ),
    "libraries": (
        [f"file read {ZLIB}/lib/libz.so.1.3.1", f"file getattr {OPENSSL}/lib/libssl.so.3"],
        [
            f"file write {ZLIB}/lib/libz.so.1.3.1",
            f"file read {OPENSSL}/lib/ossl-modules/legacy.so",
            f"file read {GLIBC}/bin/ldd",
            f"file execute {ZLIB}/lib/libz.so.1.3.1",
        ],
    ),
    "name-service": (
        [
            f"file read {store_path('etc-nsswitch.conf')}",
            f"file read {store_path('hosts')}",
            f"file read {store_path('iana-etc-20250108')}/etc/services",
            f"file read {store_path('systemd-257.3')}/lib/libnss_resolve.so.2",
            *("file read /etc/passwd", "file getattr /etc/group", "file read /etc/resolv.conf", "file read /etc/nsswitch.conf"),
            *(
                "network unix stream connect /var/run/nscd/socket",
                "network inet dgram send 9.9.9.9 53",
                "network inet dgram send 192.0.2.1 0",
            ),
            "network inet stream connect 2620:fe::fe 53",
        ],
        [
            *("file read /etc/shadow", "file read /etc/gshadow", "file write /etc/passwd", "file write /etc/resolv.conf"),
            f"file read {store_path('systemd-257.3')}/lib/systemd/systemd",
            *(
                "network inet dgram send 9.9.9.9 54",
                "network inet stream connect 9.9.9.9 443",
                "network inet dgram bind 0.0.0.0 53",
            ),
            *("network unix stream connect /run/dbus/system_bus_socket", "network unix stream bind /run/nscd/socket"),
        ],
    ),
    "tls": (
        [
            f"file read {TRUST}/etc/ssl/certs/ca-bundle.crt",
            f"file read {OPENSSL}/etc/ssl/openssl.cnf",
            f"file read {OPENSSL}/lib/ossl-modules/legacy.so",
            *("file read /etc/ssl/certs/ca-certificates.crt", "misc env SSL_CERT_FILE"),
        ],
        [
            *("file read /etc/ssl/private/key.pem", "file read /var/lib/acme/example.org/key.pem"),
            *("file write /etc/ssl/certs/ca-certificates.crt", "misc env OPENSSL_CONF", "misc env SSLKEYLOGFILE"),
        ],
    ),
    "temporary-files": (
        [
            *("file create /tmp/x 0600", "file write /tmp/x", "file unlink /tmp/d/x", "file mkdir /tmp/d/ 0700"),
            *("file rename /tmp/x /tmp/y", "file create /dev/shm/x 0600", "file read /var/tmp/d/e/x"),
        ],
        [
            *("file execute /tmp/x", "file chmod /tmp/x 04755", "file create /run/x 0600", "file rename /tmp/x /etc/x"),
            *("file create /tmp/x 04755", "file link /etc/shadow /tmp/x", "file symlink /tmp/x", "file mksock /tmp/x 0777"),
        ],
    ),
    "shell-scripts": (
        [
            f"file read {BASH}/bin/bash",
            "file execute nix:/bash/bin/sh",
            "file execute nix:/coreutils/bin/cat",
            f"file read {TOOLS}/bin/coreutils",
        ],
        [
            f"file write {BASH}/bin/bash",
            "file execute nix:/python3/bin/python3",
            f"file execute {BASH}/bin/bash",
            *("file execute nix:/sudo/bin/sudo", "file execute nix:/wrappers/sudo", "misc env BASH_ENV", "misc env ENV"),
            "misc env BASH_FUNC_x%%",
        ],
    ),
    "systemd-service": (
        [
            *("network unix dgram send /run/systemd/notify", "network unix dgram send /dev/log"),
            *("network unix stream connect /run/systemd/journal/stdout", "file write socket:[17]"),
            *("misc env NOTIFY_SOCKET", "misc env LISTEN_FDS", "file read /run/credentials/x.service/key"),
        ],
        [
            *("network unix stream connect /run/systemd/private", "network unix stream connect /run/dbus/system_bus_socket"),
            *("file write /run/credentials/x.service/key", "file read /run/systemd/units/log-extra-fields:x.service"),
            *("network unix dgram bind /run/systemd/notify", "misc env LD_PRELOAD"),
        ],
    ),
    "network-client": (
        [
            *("network inet stream connect 192.0.2.1 443", "network inet stream connect 2001:db8::1 22"),
            *("network inet dgram send 192.0.2.1 123", "network inet stream bind 0.0.0.0 0", "file ioctl socket:[3] 0x5421"),
        ],
        [
            *(
                "network inet stream listen 0.0.0.0 80",
                "network inet stream bind 0.0.0.0 8080",
            ),
            *("network unix stream connect /run/x", "file ioctl socket:[3] 0x8914"),
        ],
    ),
    "network-server": (
        [
            *(
                "network inet stream bind 0.0.0.0 8080",
                "network inet stream listen :: 1024",
                "network inet dgram bind 0.0.0.0 5353",
            ),
            "file read proc:/sys/net/core/somaxconn",
        ],
        [
            *("network inet stream bind 0.0.0.0 80", "network inet stream listen 0.0.0.0 1023", "network inet dgram bind :: 53"),
            *("network inet stream connect 192.0.2.1 443", "network inet dgram send 192.0.2.1 53"),
        ],
    ),
}
USER = Task(1, 1, *[1000] * 8)


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> DecisionEngine:
    """A domain for each module, compiled for a small system."""
    folder = tmp_path_factory.mktemp("library")
    for path, contents in PACKAGES.items():
        if set(contents) == {""}:
            place = folder / path.lstrip("/")
            place.parent.mkdir(parents=True, exist_ok=True)
            place.touch()
    write_store(folder, {path: contents for path, contents in PACKAGES.items() if set(contents) != {""}})
    names = NameTable(parse_paths("".join(f"{path}\n" for path in PACKAGES if path != STRANGER)))
    compiled: Compiled = compile_policy(read_sources([everything(folder / "source")]), names, Tree(str(folder)))
    return DecisionEngine.of(compiled.policy.loaded().holding)


def granted(engine: DecisionEngine, module: str, text: str, owner: int = 1000, task: Task = USER) -> bool:
    """Whether MODULE alone grants a request of a user about a file of OWNER."""
    file = FileAttributes(owner, owner, 1, 0, 1, 0o644, "file")
    request = replace(parse_request(text), task=task, path1=file)
    return engine.decide(f"<kernel> /m/{module}", request).granted


@pytest.mark.parametrize("module", GRANTS)
def test_a_module_grants_what_it_is_for_and_not_what_is_near(engine: DecisionEngine, module: str) -> None:
    grants, neighbours = GRANTS[module]
    assert [text for text in grants if not granted(engine, module, text)] == []
    assert [text for text in neighbours if granted(engine, module, text)] == []


def test_temporary_files_are_those_of_the_process_s_own_user(engine: DecisionEngine) -> None:
    for text in ("file read /tmp/x", "file write /tmp/d/x", "file unlink /var/tmp/x", "file read /dev/shm/x"):
        assert granted(engine, "temporary-files", text)
        assert not granted(engine, "temporary-files", text, owner=0)
        assert not granted(engine, "temporary-files", text, task=replace(USER, fsuid=0))


def test_credentials_of_all_services_are_not_for_root(engine: DecisionEngine) -> None:
    request = "file read /run/credentials/other.service/key"
    assert granted(engine, "systemd-service", request)
    assert not granted(engine, "systemd-service", request, task=replace(USER, uid=0))


@pytest.mark.parametrize("closure", [[], ["--closure-file", "/dev/null"]], ids=["alone", "with a closure"])
@pytest.mark.parametrize(
    "path",
    ["modules", *(f"modules/{name}.conf" for name in library_modules()), *(f"services/{name}" for name in library_services())],
)
def test_each_part_of_it_lints_clean(path: str, closure: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lint", "--quiet", *closure, str(Path(tomoyo.__file__).parent / "policies" / path)]) == 0
    shown = capsys.readouterr()
    assert (shown.out, shown.err) == ("", "")
