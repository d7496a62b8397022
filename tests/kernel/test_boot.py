"""The boot loader's text, and what can be known of it without a kernel: `tests/vm/test_boot.py` boots it."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from tomoyo.boot.faults import PROFILE_VERSIONS
from tomoyo.boot.loader import boot_script, check_boot, domain_managers
from tomoyo.decision.engine import DecisionEngine
from tomoyo.decision.requests import Request
from tomoyo.decision.transition import transition
from tomoyo.model.diagnostics import Severity
from tomoyo.model.entries import Kind
from tomoyo.model.profiles import OLD_PROFILE_VERSION, PROFILE_VERSION
from tomoyo.sets.directory import MAX_FILE
from tomoyo.sets.policy_set import PolicySet
from tomoyo.sets.writing import write_policy_set
from tomoyo.simulation.simulated_kernel import SimulatedKernel

SHELLS = (["dash"], ["bash"], ["bash", "--posix"], ["busybox", "sh"])


def settings(script: str) -> str:
    """What the shell makes of the settings, one a line."""
    names = ["directory", "previous", "state", "fallback", "search_path", "sizes"]
    shown = "".join(f'printf "%s|\\n" "${name}"\n' for name in names)
    text = script.partition("# settings: begin\n")[2].partition("# settings: end\n")[0]
    return subprocess.run(["/bin/sh", "-c", text + shown], capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
def test_every_shell_reads_it(shell: list[str], tmp_path: Path) -> None:
    if not shutil.which(shell[0]):
        pytest.skip(f"{shell[0]} is not installed")
    (tmp_path / "boot").write_text(boot_script())
    done = subprocess.run([*shell, "-n", str(tmp_path / "boot")], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_nothing_that_others_could_read_in_two_ways() -> None:
    script = boot_script()
    assert script.isascii()
    # A here-document is a temporary file in some shells, and nothing may be writable at boot.
    assert "<<" not in script
    assert "[[" not in script
    assert "\nlocal " not in script


def test_the_settings_are_baked_in() -> None:
    script = boot_script(
        "/nix/store/x-it's a set",
        interpreter="/nix/store/y-busybox/bin/busybox sh",
        search_path=("/nix/store/y-busybox/bin", "/opt/bin"),
        sizes={"profile.conf": 12, "domain_policy.conf": 345},
        previous="/$(reboot)",
        state="/state",
        fallback=False,
    )
    assert script.startswith("#!/nix/store/y-busybox/bin/busybox sh\n# ")
    assert settings(script) == (
        "/nix/store/x-it's a set|\n/$(reboot)|\n/state|\nno|\n/nix/store/y-busybox/bin:/opt/bin|\n"
        "profile.conf=12\ndomain_policy.conf=345|\n"
    )


def test_managers_that_are_domains_are_baked_in() -> None:
    text = f"<kernel> nix:/tomoyo/bin/tomoyo\n/nix/store/{'a' * 32}-x/bin/x\nnonsense\n<kernel> /a\n"
    assert domain_managers(text) == ["<kernel> nix:/tomoyo/bin/tomoyo", "<kernel> /a"]
    script = boot_script(managers=domain_managers(text), store="/gnu/store")
    assert "managers='<kernel> nix:/tomoyo/bin/tomoyo\n<kernel> /a'\nstore=/gnu/store\n" in script
    with pytest.raises(ValueError, match="not a manager"):
        boot_script(managers=["<kernel> /a\n<kernel> /b"])


ADMITTED = "<kernel> nix:/tomoyo/bin/tomoyo"
STORED = f"/nix/store/{'a' * 32}-tomoyo-1/bin/tomoyo"
PATTERN = "aggregator /nix/store/\\*/bin/tomoyo nix:/tomoyo/bin/tomoyo"


@pytest.mark.parametrize(
    ("managers", "bindings", "patterns", "expected"),
    [
        (ADMITTED, f"aggregator {STORED} nix:/tomoyo/bin/tomoyo\n", "yes", [f"aggregator {STORED} nix:/tomoyo/bin/tomoyo"]),
        (
            ADMITTED,
            f"<kernel> aggregator {STORED} nix:/tomoyo/bin/tomoyo\n",
            "no",
            [f"aggregator {STORED} nix:/tomoyo/bin/tomoyo"],
        ),
        (ADMITTED, f"<x> aggregator {STORED} nix:/tomoyo/bin/tomoyo\n", "no", []),
        (
            ADMITTED,
            f"aggregator {STORED} nix:/tomoyo/bin/tomoyo2\npath_group nix:/tomoyo/bin/tomoyo {STORED}\n",
            "yes",
            [PATTERN],
        ),
        (ADMITTED, "", "yes", [PATTERN]),
        (ADMITTED, "", "no", []),
    ],
)
def test_managers_are_admitted_with_what_leads_to_them(
    shell: list[str], tmp_path: Path, managers: str, bindings: str, patterns: str, expected: list[str]
) -> None:
    (tmp_path / "kernel").mkdir()
    (tmp_path / "bindings.conf").write_text(bindings)
    script = boot_script(managers=[managers])
    run(shell, tmp_path, f"own={tmp_path}\nhas() {{ false; }}\nadmit {patterns}\n", script)
    assert (tmp_path / "kernel" / "manager").read_text() == f"{managers}\n"
    start = "initialize_domain nix:/tomoyo/bin/tomoyo from any"
    assert (tmp_path / "kernel" / "exception_policy").read_text().splitlines() == [start, *expected]


@pytest.mark.parametrize("managers", ["/usr/bin/tomoyo", "<x> /a", "<kernel>"])
def test_managers_to_whom_nothing_leads(shell: list[str], tmp_path: Path, managers: str) -> None:
    (tmp_path / "kernel").mkdir()
    run(shell, tmp_path, f"own={tmp_path}\nadmit yes\n", boot_script(managers=[managers]))
    assert (tmp_path / "kernel" / "manager").read_text() == f"{managers}\n"
    assert not (tmp_path / "kernel" / "exception_policy").exists()


@pytest.mark.parametrize("text", [None, "", "\n", "# nobody\n", "manage_by_non_root\n"])
def test_somebody_can_repair_what_is_left_though_nobody_is_named(shell: list[str], tmp_path: Path, text: str | None) -> None:
    (tmp_path / "kernel").mkdir()
    if text is not None:
        (tmp_path / "manager.conf").write_text(text)
    # A write to the kernel's file adds to what it holds.
    commands = "clear_domains() { :; }\nclear_settings() { :; }\nhas() { false; }\n"
    script = boot_script().replace('>"$interface/exception_policy"', '>>"$interface/exception_policy"')
    run(shell, tmp_path, f"own={tmp_path}\n{commands}settle\n", script)
    kernel = SimulatedKernel()
    kernel.write("profile", "0-CONFIG={ mode=disabled }\n")
    kernel.write("exception_policy", (tmp_path / "kernel" / "exception_policy").read_text())
    kernel.write("manager", (tmp_path / "kernel" / "manager").read_text())
    kernel.write("domain_policy", "<kernel>\nuse_profile 0\n<kernel> /sbin/init\nuse_profile 0\n")
    kernel.activate()
    engine = DecisionEngine.of(kernel.holding)
    for program in (STORED, "/usr/bin/tomoyo", "/usr/local/bin/tomoyo"):
        entered = transition(engine, "<kernel> /sbin/init", Request(Kind.PATH, "execute", (program,))).domain
        assert str(entered) in map(str, kernel.managers.managers)


def test_the_settings_by_default() -> None:
    script = boot_script()
    assert script.startswith("#!/bin/sh\n")
    assert settings(script) == "|\n|\n/var/lib/tomoyo|\nyes|\n|\n|\n"


@pytest.mark.parametrize(
    "arguments",
    [
        {"directory": "set"},
        {"directory": "/set/"},
        {"directory": "/a\nb"},
        {"directory": "/s\u00e9t"},
        {"state": "/\u20ac"},
        {"previous": "/\x7f"},
        {"search_path": ["/b\u00efn"]},
        {"sizes": {"\u00e9": 1}},
        {"interpreter": "/bin/\u00e9"},
        {"previous": "previous"},
        {"state": "lib"},
        {"search_path": ["bin"]},
        {"search_path": ["/a:b"]},
        {"sizes": {"a=b": 1}},
        {"sizes": {"a": -1}},
        {"interpreter": "sh"},
        {"interpreter": "/bin/busybox  sh"},
        {"interpreter": "/bin/busybox sh -x"},
        {"interpreter": "/bin/sh\n"},
        {"interpreter": "/" + "x" * 125},
    ],
    ids=str,
)
def test_what_cannot_stand_in_a_script_is_refused(arguments: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"not a|at most|cannot hold"):
        boot_script(**arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize("line", ["reset_domain /sbin/init from any", "reset_domain any from any"])
def test_a_set_that_would_let_no_init_start_is_refused(line: str, tmp_path: Path) -> None:
    """The loader itself cannot see this: such a rule catches the first program alone."""
    folder = tmp_path / "set"
    folder.mkdir()
    (folder / "profile.conf").write_text("PROFILE_VERSION=20150505\n0-CONFIG={ mode=disabled grant_log=no reject_log=no }\n")
    (folder / "domain_policy.conf").write_text("<kernel>\nuse_profile 0\n\n\n")
    (folder / "manager.conf").write_text("")
    (folder / "exception_policy.conf").write_text("initialize_domain /bin/sh from any\n")
    before = check_boot(folder)
    assert [problem for problem in before if problem.severity is Severity.ERROR] == []
    (folder / "exception_policy.conf").write_text(f"initialize_domain /bin/sh from any\n{line}\n")
    (found,) = [problem for problem in check_boot(folder) if problem.severity is Severity.ERROR]
    assert (found.code, found.place.file, found.place.line) == ("failing-execution", "exception_policy.conf", 2)
    assert "execution fails" in found.message


# Its functions, in every shell, with files in the place of the kernel's: what they make of a set, and what Python makes of it


@pytest.fixture(params=SHELLS, ids=" ".join)
def shell(request: pytest.FixtureRequest) -> list[str]:
    found: list[str] = request.param
    if not shutil.which(found[0]):
        pytest.skip(f"{found[0]} is not installed")
    return found


def run(shell: list[str], folder: Path, commands: str, script: str = "") -> list[str]:
    """What COMMANDS, which use the script's functions, `tell` and log; `$interface` is FOLDER/kernel."""
    functions = (script or boot_script()).partition("\n# What ls has not confirmed")[0]
    told = folder / "told"
    told.write_text("")
    stand_ins = f"""
interface={folder}/kernel
tell() {{ printf '%s\\n' "$*" >>{told}; }}
log() {{ tell "$2"; }}
ask() {{ gather <"$interface/domain_policy"; }}
"""
    (folder / "script").write_text(functions + stand_ins + commands)
    subprocess.run([*shell, str(folder / "script")], check=False)
    return told.read_text().splitlines()


def test_the_loader_and_python_know_the_same_numbers() -> None:
    assert (str(PROFILE_VERSION), str(OLD_PROFILE_VERSION)) == PROFILE_VERSIONS
    script = boot_script()
    assert " | ".join(f"PROFILE_VERSION={version}" for version in PROFILE_VERSIONS) + ")" in script
    assert f"\nlargest_file={MAX_FILE}\n" in script


REPORT = """\
Policy update:                                  16 (Last: 2026/11/23 22:10:53)
Policy violation in learning mode:               0
Policy violation in permissive mode:             0
Policy violation in enforcing mode:              0
Memory used by policy:                     2064384 (Quota:   50000000)
Memory used by audit log:                    12288 (Quota:   16777216)
Memory used by query message:                    0
Total memory used:                         2076672
"""
POLICY = "Memory used by policy: "
#: Texts of stat.conf, and the quotas that both set: of the policy, the audit log and query messages.
QUOTAS = [
    ("", (0, 0, 0)),
    (f"{POLICY}50000000\n", (50000000, 0, 0)),
    (f"{POLICY}        50000000\n", (50000000, 0, 0)),
    (f"{POLICY}0\nMemory used by audit log: 1\nMemory used by query message: 4294967295\n", (0, 1, 4294967295)),
    (f"# a comment: 5\n\n{POLICY}50000000\nMemory used by others: 7\nTotal:\n", (50000000, 0, 0)),
    (REPORT, (50000000, 16777216, 0)),
    (REPORT.replace(" (Quota:   50000000)", ""), (0, 16777216, 0)),
    ("".join(line for line in REPORT.splitlines(True) if line.startswith("Memory")), (50000000, 16777216, 0)),
    ("".join(line for line in REPORT.splitlines(True) if "Quota" not in line), (0, 0, 0)),
]
#: What the loader leaves out, and `boot --check` warns of.
LEFT_OUT = [
    f"{POLICY}50000000 bytes\n",
    f"{POLICY}50000000 60000000\n",
    f"{POLICY}50000000 \n",
    f"{POLICY}\t50000000\n",
    f" {POLICY}50000000\n",
    f"{POLICY}4344967296\n",
    f"{POLICY}4294967297\n",
    f"{POLICY}99999999999999999999999999999999\n",
    f"{POLICY}-5\n",
    f"{POLICY}\n",
    "Memory used by policy\n",
    "Memory used by audit log: 4294967297\n",
]
NAMES = ("policy", "audit log", "query message")


def limit(shell: list[str], folder: Path, text: str) -> tuple[dict[str, int], list[str]]:
    """The quotas that the loader sets for TEXT in a kernel in which 2,000,000 bytes are in use, and what it logs."""
    (folder / "kernel").mkdir()
    (folder / "set").mkdir()
    (folder / "kernel/stat").write_text(REPORT.replace("2064384", "2000000").replace(" (Quota:   50000000)", ""))
    (folder / "set/stat.conf").write_text(text)
    told = run(shell, folder, f"limit {folder}/set")
    if not text:
        return {}, told
    written = (folder / "kernel/stat").read_text().splitlines()
    assert all(line.startswith("Memory used by ") for line in written)
    pairs = (line.removeprefix("Memory used by ").split(": ") for line in written)
    return {name: int(quota) for name, quota in pairs}, told


@pytest.mark.parametrize(("text", "expected"), QUOTAS)
def test_quotas_are_the_same_for_both(shell: list[str], tmp_path: Path, text: str, expected: tuple[int, ...]) -> None:
    found, told = limit(shell, tmp_path, text)
    assert told == []
    assert tuple(found.get(name, 0) for name in NAMES) == expected
    held = PolicySet(stat=text).loaded().quotas
    assert tuple(held[name] for name in NAMES) == expected


@pytest.mark.parametrize("text", LEFT_OUT)
def test_what_is_no_quota_is_left_out_with_a_warning(shell: list[str], tmp_path: Path, text: str) -> None:
    assert limit(shell, tmp_path, text)[0] == {}
    tmp_path.chmod(0o755)
    write_policy_set(PolicySet(DOMAINS, profile=PROFILES, stat=text), tmp_path / "checked")
    warned = {
        problem.place.file for problem in check_boot(tmp_path / "checked") if problem.code in ("dropped-line", "altered-line")
    }
    assert warned == {"stat.conf"}


def test_a_quota_that_is_too_small_is_left_out(shell: list[str], tmp_path: Path) -> None:
    found, told = limit(shell, tmp_path, f"{POLICY}2000001\nMemory used by audit log: 1\n")
    assert found == {"audit log": 1}
    assert told == [f"{tmp_path}/set/stat.conf: the quota for policy, 2000001, is left out: 2000000 bytes are in use by policy"]


DOMAINS = "<kernel>\nuse_profile 0\n\n<kernel> /a\nuse_profile 3\n\nfile read /x\n\n"
PROFILES = "PROFILE_VERSION=20150505\n0-COMMENT=\n3-COMMENT=\n3-CONFIG={ mode=enforcing grant_log=no reject_log=yes }\n"
OTHER = DOMAINS + "<x>\nuse_profile 3\n\n"
#: Domains and profiles, and whether a kernel may boot with them.
DEFINED = {
    "as compiled": (DOMAINS, PROFILES, True),
    "version by default": (DOMAINS, PROFILES.partition("\n")[2], True),
    "old version": (DOMAINS, PROFILES.replace("20150505", "20110903"), True),
    "comments": (DOMAINS, f"# 3-COMMENT=\n\n{PROFILES}\n", True),
    "a sign of a profile": (DOMAINS, PROFILES.replace("3-COMMENT=", "3-NONSENSE").replace("3-CONFIG", "3-C"), True),
    "a tab behind": (DOMAINS, PROFILES.replace("3-COMMENT=", "3-COMMENT=a\tb  c"), True),
    "ends of lines": (DOMAINS, PROFILES.replace("\n", "\r\n"), False),
    "undefined": (DOMAINS, PROFILES.replace("3-", "2-"), False),
    "the first undefined": (DOMAINS, PROFILES.replace("0-COMMENT=\n", ""), False),
    "the first implied": ("<kernel> /a\nuse_profile 3\n\n", PROFILES.replace("0-COMMENT=\n", ""), False),
    "unended": (DOMAINS, "PROFILE_VERSION=20150505\n0-COMMENT=\n3-COMMENT=", False),
    "space in front": (DOMAINS, PROFILES.replace("3-", " 3-"), False),
    "tab in front": (DOMAINS, PROFILES.replace("3-", "\t3-"), False),
    "space in front of one of two": (DOMAINS, PROFILES.replace("3-CONFIG", " 3-CONFIG"), True),
    "byte in front": (DOMAINS, PROFILES.replace("3-", "\xe93-"), False),
    "zero in front": (DOMAINS, PROFILES.replace("3-", "03-"), False),
    "no number": (DOMAINS, PROFILES.replace("0-", "-"), False),
    "wrong version": (DOMAINS, PROFILES.replace("20150505", "20100903"), False),
    "wrong version at first": (DOMAINS, f"PROFILE_VERSION=1\n{PROFILES}", False),
    "more than a version": (DOMAINS, PROFILES.replace("20150505", "20150505x"), False),
    "namespace": (OTHER, f"{PROFILES}<x> PROFILE_VERSION=20150505\n<x> 3-COMMENT=\n", True),
    "namespace of all": (OTHER, "".join(f"<kernel> {line}\n<x> {line}\n" for line in PROFILES.splitlines()), True),
    "undefined in a namespace": (OTHER, f"{PROFILES}<x> PROFILE_VERSION=20150505\n<x> 0-COMMENT=\n", False),
    "two spaces behind a namespace": (OTHER, f"{PROFILES}<x>  3-COMMENT=\n", False),
    "space in front of a namespace": (OTHER, f"{PROFILES} <x> 3-COMMENT=\n", False),
    "wrong version of a namespace": (OTHER, f"{PROFILES}<x> PROFILE_VERSION=1\n<x> 3-COMMENT=\n", False),
    "wrong version of a namespace without domains": (DOMAINS, f"{PROFILES}<x> PROFILE_VERSION=1\n", False),
    "odd domains": (" <kernel>  /a\n use_profile  3\n\n", PROFILES, True),
}


@pytest.mark.parametrize("name", DEFINED)
def test_profiles_are_defined_for_both_or_for_none(shell: list[str], tmp_path: Path, name: str) -> None:
    tmp_path.chmod(0o755)
    domains, profiles, boots = DEFINED[name]
    policy = PolicySet(domains, profile=profiles)
    write_policy_set(policy, tmp_path / "set")
    held = policy.loaded()
    (tmp_path / "kernel").mkdir()
    for interface in ("profile", "domain_policy"):
        (tmp_path / "kernel" / interface).write_text(held.read(interface))
    told = run(shell, tmp_path, f'check_profiles {tmp_path}/set && check_domains && tell loads || tell "refused: $reason"')
    refused = [problem for problem in check_boot(tmp_path / "set") if problem.severity is Severity.ERROR]
    assert (told[0] == "loads", not refused) == (boots, boots), (told, refused)


def inspected(shell: list[str], folder: Path, script: str = "") -> str:
    """What the loader finds wrong with the set FOLDER/set; empty for nothing."""
    commands = f'ancestors {folder}/set\ninspect {folder}/set && judge {folder}/set || tell "$reason"\n'
    return "".join(run(shell, folder, commands, script))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's files are trusted")
@pytest.mark.parametrize("mode", [0o002, 0o020])
@pytest.mark.parametrize("part", ["", "set", "set/profile.conf"])
def test_nothing_is_loaded_that_others_or_any_group_may_write_to(shell: list[str], tmp_path: Path, part: str, mode: int) -> None:
    write_policy_set(PolicySet(DOMAINS, profile=PROFILES), tmp_path / "set")
    assert inspected(shell, tmp_path) == ""
    path = tmp_path / part
    before = path.stat().st_mode
    path.chmod(before | mode)
    assert inspected(shell, tmp_path) == f"{path} is writable by others than root"
    assert [problem.place.file for problem in check_boot(tmp_path / "set")] == [
        part.removeprefix("set/") if "/" in part else str(path)
    ]
    # What lies in a sticky folder only its owner can put aside.
    path.chmod(before | mode | 0o1000)
    assert bool(inspected(shell, tmp_path)) == bool(check_boot(tmp_path / "set")) == bool(part)


def test_larger_files_than_both_take(shell: list[str], tmp_path: Path) -> None:
    write_policy_set(PolicySet(DOMAINS, profile=PROFILES), tmp_path / "set")
    os.truncate(tmp_path / "set/bindings.conf", MAX_FILE + 1)
    if os.geteuid() == 0:
        assert inspected(shell, tmp_path) == "bindings.conf is too large"
    [problem] = check_boot(tmp_path / "set")
    assert (problem.place.file, problem.message) == ("bindings.conf", f"more than {MAX_FILE} bytes")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's files are trusted")
@pytest.mark.parametrize(
    ("change", "loader", "python"),
    [
        ("echo >>manager.conf", "manager.conf has 1 bytes instead of 0", "has 1 bytes, and the set's loader takes only one of 0"),
        ("rm bindings.conf", "bindings.conf is missing", "has 0 bytes, and the set's loader takes only one of 9"),
    ],
)
def test_files_of_other_sizes_than_the_loader_knows(
    shell: list[str], tmp_path: Path, change: str, loader: str, python: str
) -> None:
    script = boot_script(sizes={"manager.conf": 0, "bindings.conf": 9})
    policy = PolicySet(DOMAINS, bindings="# a line\n", profile=PROFILES, boot=script)
    write_policy_set(policy, tmp_path / "set")
    (tmp_path / "set/manifest.json").unlink()
    assert inspected(shell, tmp_path, script) == ""
    assert [problem for problem in check_boot(tmp_path / "set") if problem.severity is Severity.ERROR] == []
    assert os.system(f"cd '{tmp_path}/set' && {change}") == 0
    assert inspected(shell, tmp_path, script) == loader
    [problem] = [problem for problem in check_boot(tmp_path / "set") if problem.severity is Severity.ERROR]
    assert problem.message == python


@pytest.mark.parametrize("name", ["s\u00e9t", "\x7f", "a\nb", "a set's $(x)"])
def test_a_path_that_an_ls_may_not_show(shell: list[str], tmp_path: Path, name: str) -> None:
    tmp_path.chmod(0o755)
    write_policy_set(PolicySet(DOMAINS, profile=PROFILES), tmp_path / name)
    stand_ins = "inspect() { :; }\nload() { :; }\nlimit() { tell loaded; }\n"
    told = run(shell, tmp_path, f'{stand_ins}folder={shlex.quote(str(tmp_path / name))}\nuse || tell "$reason"\n')
    problems = [problem.message for problem in check_boot(tmp_path / name)]
    if name.startswith("a set"):
        assert (told, problems) == (["loaded"], [])
    else:
        assert told == ["there are characters other than printable ASCII in its path"]
        assert problems == ["its loader takes only a path of printable ASCII"]
