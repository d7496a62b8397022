"""Whatever an option's value holds reaches its program as one argument, or its file as it is, or evaluation refuses it.

Every public option of both modules is tried, so one that is new must be refused, or be named here. What systemd makes of a unit
is asked of systemd itself.
"""

from __future__ import annotations

import codecs
import json
import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from ..nix.nixstore import OPTIONS
from .evaluation import TOP_LEVEL, Evaluator, unit_lines

HOSTILE = (
    "two words",
    "a;touch pwned",
    ";",
    "it's",
    'say "no"',
    "new\nline",
    "tab\there",
    "$(touch pwned)",
    "`touch pwned`",
    "$HOME ${PATH} $$",
    "%n %i %%",
    "back\\slash\\n\\",
    "-leading",
    "--",
    "--json=x",
    "#comment",
    "*",
    "@user",
    "été",
    "x" * 300,
)
#: Options that take any text or path; all others must refuse these values, but see `PATTERNS`.
TEXTS = {
    "policies.<name>.text",
    "policies.<name>.exceptions",
    "library.<name>.extraPolicy",
    "modules.<name>",
    "exceptionPolicy",
    "audit.extraOptions",
    "notify.command",
    "notify.extraOptions",
    "query.rules",
}
#: Options that take what matches a pattern.
DIRECTORIES = ("audit.directory", "learning.save.directory")
PATTERNS = {"managers", "profiles.<name>.comment"}
KEYS = {"policies": "hello", "library": "nginx", "modules": "foo", "packages": "foo", "profiles": "4", "config": "file"}
#: Sets whose names people choose: what they hold.
NAMED = {
    "policies": '{ text = "<kernel> /x"; }',
    "modules": '"file read /x"',
    "library": "{ enable = true; }",
    "packages": "pkgs.hello",
    "profiles": "{ }",
    'profiles."4".config': "{ }",
    "moduleNumbers": "20",
}


def nix(value: str) -> str:
    """VALUE as a string of Nix."""
    return json.dumps(value, ensure_ascii=False).replace("$", "\\$")


def accepted(evaluator: Evaluator, platform: str, configurations: list[str]) -> list[bool]:
    """Which of the configurations below security.tomoyo make a system."""
    base = 'library.nginx.enable = true; policies.hello.path = lib.mkDefault "/hello"; audit.enable = true; query.enable = true;'
    modules = " ".join(
        "({ lib, pkgs, ... }: { security.tomoyo = { %s }; })" % configuration  # noqa: UP031
        for configuration in configurations
    )
    tried = f"""map (module:
      let t = (s.extendModules {{ modules = [ module ]; }}); in
      (builtins.tryEval (builtins.deepSeq (removeAttrs t.config.security.tomoyo [ "build" ])
        (let s = t; in {TOP_LEVEL}.drvPath))).success) [ {modules} ]"""
    found: list[bool] = evaluator.value(platform, f"{{ security.tomoyo = {{ enable = true; {base} }}; }}", tried)
    return found


def options(evaluator: Evaluator, platform: str) -> list[str]:
    """The public options below security.tomoyo."""
    listed: list[str] = evaluator.value(
        platform,
        "{ }",
        f"let lib = import {evaluator.library}; in map (option: option.name) (lib.filter (option: !option.internal) "
        "(lib.optionAttrSetToDocList { security.tomoyo = s.options.security.tomoyo; }))",
    )
    return [name.removeprefix("security.tomoyo.") for name in listed]


def setting(option: str, value: str) -> str:
    """OPTION with a VALUE in Nix, at a name that is one."""
    words: list[str] = []
    for word in option.split("."):
        words.append(f'"{KEYS[words[-1]]}"' if word == "<name>" else word)
    return f"{'.'.join(words)} = lib.mkForce ({value});"


@pytest.mark.parametrize("platform", ["nixos", "finix"])
def test_every_other_option_refuses_a_text(standin: Evaluator, platform: str) -> None:
    tried: list[str] = []
    configurations = []
    for option in options(standin, platform):
        if option in TEXTS or option in PATTERNS:
            continue
        directory = option in DIRECTORIES
        for value in HOSTILE if directory else HOSTILE[:2]:
            for given in [nix(value), f"[ {nix(value)} ]", *([nix(f"/var/{value}")] if directory else [])]:
                tried.append(f"{option} = {given}")
                configurations.append(setting(option, given))
    found = accepted(standin, platform, configurations)
    took = {name for name, good in zip(tried, found) if good}
    # What stands in any unit as it is.
    plain = {nix(f"/var/{value}") for value in ("@user", "-leading", "--", "--json=x", "x" * 300)}
    assert took <= {f"{option} = {path}" for option in DIRECTORIES for path in plain}


@pytest.mark.parametrize("platform", ["nixos", "finix"])
def test_rules_outside_the_store_have_a_plain_path(standin: Evaluator, platform: str) -> None:
    paths = ["/etc/tomoyo/query.rules", *(f"/etc/{value}" for value in HOSTILE), "/etc/../x"]
    found = accepted(standin, platform, [f"query.rules = {nix(path)};" for path in paths])
    plain = {"@user", "-leading", "--", "--json=x", "x" * 300}
    assert {path for path, good in zip(paths, found) if good} == {paths[0], *(f"/etc/{value}" for value in plain)}


def test_the_command_of_notifications_gets_its_arguments_and_nothing_else(standin: Evaluator, tmp_path: Path) -> None:
    scripts = (
        "map (module: (s.extendModules { modules = [ module ]; }).config.security.tomoyo.packages.tomoyo-notify-command) [ %s ]"
    )
    wanted = scripts % " ".join(f"({{ {daemons(value)} }})" for value in HOSTILE)
    copied = f"""derivation {{
      name = "scripts"; system = builtins.currentSystem; builder = "/bin/sh"; scripts = {wanted};
      args = [ "-c" "PATH=/bin:/usr/bin; mkdir $out; for script in $scripts; do n=$((n+1)); cp $script/bin/* $out/$n; done; :" ];
    }}"""
    built = standin.build("nixos", "{ }", copied)
    tool = tmp_path / "tool"
    tool.write_text("#!/bin/sh\nprintf '%s\\0' \"$@\"\n")
    tool.chmod(0o755)
    for number, value in enumerate(HOSTILE, 1):
        first, text = (built / str(number)).read_text().split("\n", 1)
        assert first.endswith("/bin/bash -p")
        assert "/bin/env -i PATH=/run/current-system/sw/bin " in text
        run = ["/bin/bash", "-c", text.replace("/bin/tell", str(tool)).replace(text.split(" ")[1], "/usr/bin/env")]
        done = subprocess.run(run, stdout=subprocess.PIPE, check=True, text=True, env={"TOMOYO_DENIALS": "2"})
        assert done.stdout.split("\0")[:-1] == [value]


def test_directories_of_units_are_plain(standin: Evaluator) -> None:
    refused = ["/", "/a/", "//a", "/a//b", "/a/./b", "/a/../b", "/..", "relative", ""]
    configurations = [f"{option} = {nix(path)};" for option in DIRECTORIES for path in refused]
    assert accepted(standin, "nixos", configurations) == [False] * len(configurations)
    good = ["/a", "/var/log/.hidden", "/srv/a-b_c+d@e,f=g:h/i.j"]
    configurations = [f"{option} = {nix(path)};" for option in DIRECTORIES for path in good]
    assert accepted(standin, "nixos", [*configurations, "audit.directory = /var/log/x;"]) == [True] * (len(configurations) + 1)


@pytest.mark.parametrize("platform", ["nixos", "finix"])
def test_names_that_people_choose_are_plain(standin: Evaluator, platform: str) -> None:
    names = [name for name in (*HOSTILE, "a\nb 3", "a/b", "..", "") if name not in {"--", "-leading", "--json=x"}]
    configurations = [f"{option}.{nix(name)} = {value};" for option, value in NAMED.items() for name in names]
    took = {configuration for configuration, good in zip(configurations, accepted(standin, platform, configurations)) if good}
    # Names of packages, long or not, that a closure will not have.
    assert took <= {f"packages.{nix(name)} = pkgs.hello;" for name in ("x" * 300, "..")}


@pytest.fixture
def stub() -> str:
    """A package whose command keeps its arguments as the set."""
    text = "#!/bin/sh\\nmkdir $NIX_BUILD_TOP/policy; printf '%s\\\\0' \\\"$@\\\" > $NIX_BUILD_TOP/policy/arguments\\n"
    return f'pkgs.package "tomoyo-0.1" {{ "bin/tomoyo" = "{text}"; }}'


def ended(text: str) -> str:
    return text if text.endswith("\n") else f"{text}\n"


@pytest.mark.parametrize("number", range(len(HOSTILE)))
def test_texts_and_paths_reach_the_policy_source_as_they_are(standin: Evaluator, number: int, tmp_path: Path) -> None:
    value = HOSTILE[number]
    name = value[:200]
    file, directory = tmp_path / name, tmp_path / f"d{name}"
    file.write_text("file read /a\n")
    directory.mkdir()
    (directory / "domain_policy.conf").write_text("<kernel> /x\n")
    text = nix(value)
    configuration = f"""{{ security.tomoyo = {{
      enable = true;
      policies.text = {{ text = {text}; exceptions = {text}; }};
      policies.file.path = {nix(str(file))};
      policies.directory = {{ path = {nix(str(directory))}; exceptions = {text}; }};
      # Nix copies it, by a name of the module's.
      policies.copied.path = /. + {nix(str(directory))};
      library.nginx = {{ enable = true; extraPolicy = {text}; }};
      modules.text = {text};
      modules.file = {nix(str(file))};
      modules.copied = /. + {nix(str(file))};
      exceptionPolicy = {text};
    }}; }}"""
    wanted = standin.expression("nixos", configuration, "s.config.security.tomoyo.build.source")
    seen = ("--store", str(standin.store.root), *OPTIONS, "--option", "extra-sandbox-paths", str(tmp_path))
    environment = {**os.environ, "HOME": str(standin.store.root)}
    command = ["nix-build", "--no-out-link", "-E", wanted, *seen]
    done = subprocess.run(command, stdout=subprocess.PIPE, env=environment, check=True, text=True)
    built = standin.store.inside(done.stdout.split()[-1])
    found = {str(path.relative_to(built)): path.read_text() for path in built.rglob("*") if path.is_file()}
    for place in (
        "policies/text/domains/text.conf",
        "policies/text/exceptions/text.extra.conf",
        "policies/directory/exceptions/directory.extra.conf",
        "library/nginx/domains/nginx.conf",
        "system/modules/text.conf",
        "system/exceptions/system.conf",
    ):
        assert found[place] == ended(value), place
    for place in ("policies/file/domains/file.conf", "system/modules/file.conf", "system/modules/copied.conf"):
        assert found[place] == "file read /a\n", place
    for place in ("policies/directory/domain_policy.conf", "policies/copied/domain_policy.conf"):
        assert found[place] == "<kernel> /x\n", place


@pytest.mark.parametrize("number", range(len(HOSTILE)))
def test_words_reach_compile_as_one_argument(standin: Evaluator, number: int, stub: str) -> None:
    value = HOSTILE[number]
    configuration = f"""{{ security.tomoyo = {{
      enable = true;
      package = {stub};
      boot.shell = pkgs.bash // {{ shellPath = {nix(f"/{value}")}; }};
      packages."-x^=y" = pkgs.hello;
      policies.hello.text = "<kernel> /x";
      library.nginx = {{ enable = true; extraPolicy = "x"; }};
    }}; }}"""
    built = standin.build("nixos", configuration, "s.config.security.tomoyo.build.policy")
    arguments = (built / "arguments").read_bytes().decode().split("\0")
    assert any(argument.startswith("--boot-shell=/nix/store/") and argument.endswith(f"/{value}") for argument in arguments)
    assert any(argument.startswith("--package=-x^=y=/nix/store/") for argument in arguments)
    source = standin.value("nixos", configuration, "s.config.security.tomoyo.build.source.outPath")
    assert arguments[-4:] == [f"{source}/system", f"{source}/policies/hello", f"{source}/library/nginx", ""]


def daemons(value: str) -> str:
    """The options of a system whose daemons' commands hold VALUE."""
    return f"""security.tomoyo = {{
      enable = true;
      audit = {{ enable = true; extraOptions = [ {nix(value)} ]; }};
      notify = {{ enable = true; command = [ "/bin/tell" {nix(value)} ]; extraOptions = [ {nix(value)} ]; }};
      query = {{ enable = true; rules = {nix(value)}; }};
      learning.save.enable = true;
    }};"""


def unquoted(line: str) -> list[str]:
    """The words of a command line as `systemd-analyze` shows it."""
    words = re.findall(r'"((?:[^"\\]|\\.)*)"|([^ "]+)', line)
    plain = [bare or re.sub(r"\\([$`])", r"\1", quoted) for quoted, bare in words]
    program, *words = [codecs.escape_decode(word.encode())[0].decode() for word in plain]  # type: ignore[attr-defined]
    # Variables are put in when the program is executed.
    assert not any(re.search(r"\$", word.replace("$$", "")) for word in words)
    return [program, *(word.replace("$$", "$") for word in words)]


def parsed(units: Mapping[str, Mapping[str, Any]], folder: Path) -> dict[str, dict[str, list[str]]]:
    """The commands of UNITS, given by name with their settings, as systemd reads them."""
    folder.mkdir()
    for name, settings in units.items():
        (folder / f"{name}.service").write_text("[Service]\n" + "".join(unit_lines(settings)))
    done = subprocess.run(
        ["systemd-analyze", "verify", *(str(folder / f"{name}.service") for name in units)],
        env={"PATH": os.environ["PATH"], "SYSTEMD_LOG_LEVEL": "debug"},
        capture_output=True,
        text=True,
        check=False,
    )
    found: dict[str, dict[str, list[str]]] = {}
    unit = command = ""
    for line in done.stdout.splitlines():
        if match := re.fullmatch(r"-> Unit (.*)\.service:", line.strip()):
            unit = match[1]
        elif match := re.fullmatch(r"-> (Exec\w+):", line.strip()):
            command = match[1]
        elif line.strip().startswith("Command Line: "):
            found.setdefault(unit, {})[command] = unquoted(line.strip().removeprefix("Command Line: "))
    return found


def test_words_reach_the_programs_of_units_as_one_argument(standin: Evaluator, tmp_path: Path) -> None:
    everything = "{ inherit (s.config.security.tomoyo.build) commands; units = s.config.systemd.services; }"
    for number, value in enumerate(HOSTILE):
        found = standin.value("nixos", f"{{ {daemons(value)} }}", everything)
        units = {name.removeprefix("tomoyo-"): unit["serviceConfig"] for name, unit in found["units"].items()}
        seen = parsed(units, tmp_path / str(number))
        for name in ("audit", "notify", "query", "save", "gc"):
            assert seen[name]["ExecStart"] == found["commands"][name]
        assert seen["save-at-shutdown"]["ExecStop"] == found["commands"]["save"]
        assert found["commands"]["audit"][-1] == found["commands"]["notify"][-3] == value


def test_words_reach_the_programs_of_finit_as_one_argument(standin: Evaluator, tmp_path: Path) -> None:
    everything = """map (module: let s' = (s.extendModules { modules = [ module ]; }).config; in {
      inherit (s'.security.tomoyo.build) commands;
      lines = builtins.mapAttrs (_: service: service.command) s'.finit.services;
    }) [ %s ]""" % " ".join(f"({{ {daemons(value)} }})" for value in HOSTILE)  # noqa: UP031
    systems = standin.value("finix", "{ }", everything)
    # Every script in one folder, so that one build makes them all.
    copied = f"""derivation {{
      name = "scripts"; system = builtins.currentSystem; builder = "/bin/sh";
      args = [ "-c" (builtins.concatStringsSep "\n" ([ "PATH=/bin:/usr/bin; mkdir $out" ] ++ builtins.concatMap
        (system: map (line: "case '${{line}}' in *-command) cp ${{line}} $out/ ;; esac") (builtins.attrValues system.lines))
        ({everything}) ++ [ ":" ])) ];
    }}"""
    scripts = standin.build("finix", "{ }", copied)
    tool = tmp_path / "tool"
    tool.write_text("#!/bin/sh\nprintf '%s\\0' \"$@\"\n")
    tool.chmod(0o755)
    for system, value in zip(systems, HOSTILE):
        assert system["commands"]["audit"][-1] == value
        for name in ("audit", "notify", "query"):
            words, line = system["commands"][name], system["lines"][f"tomoyo-{name}"]
            if not line.endswith("-tomoyo-command"):
                # finit splits at blanks, begins a description at `--`, and cuts words.
                assert line.split(" ")[-len(words) :] == words
                assert max(map(len, line.split(" "))) < 256
                assert not set(line) & set("\"'\\$%#<>\t\n")
                continue
            text = (scripts / Path(line).name).read_text().partition("\n")[2]
            first = text.split(" ")[1]
            assert first.endswith("/bin/setpriv")
            run = ["/bin/bash", "-c", text.replace(first, str(tool))]
            found = subprocess.run(run, stdout=subprocess.PIPE, check=True, text=True).stdout.split("\0")[:-1]
            assert found[-len(words) :] == words
            assert all(word.startswith("--") for word in found[: -len(words)])
