"""Every command takes whatever holds a policy: one table of forms, one of commands, and each of one on each of the other."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.nix.sources import write_source
from tomoyo.model.profiles import DEFAULT_PROFILES
from tomoyo.sets.policy_set import PolicySet
from tomoyo.sets.writing import write_policy_set

from .command import Done, tomoyo

DOMAIN = "<kernel> nix:/web/bin/web"
WEB = f"/nix/store/{'0' * 32}-web"
#: What the same policy is in words of a kernel, and in those of a policy source.
HELD = f"<kernel>\nuse_profile 0\n\n\n{DOMAIN}\nuse_profile 3\nuse_group 1\n\nfile read /srv/index\n\n"
WRITTEN = f"<kernel>\nuse_profile 0\n\n{DOMAIN}\nuse_profile 3\nuse_group site\n\nfile read /srv/index\n"
EXCEPTIONS = "initialize_domain nix:/web/bin/web from any\n"
SHARED = EXCEPTIONS + "acl_group 1 file read /srv/shared\n"
RECORD = (
    f"#2026/11/24 08:01:00# profile=3 mode=enforcing granted=no (global-pid=9) task={{ pid=9 ppid=1 uid=0 gid=0 euid=0 egid=0"
    f" suid=0 sgid=0 fsuid=0 fsgid=0 }}\n{DOMAIN}\nfile write /srv/log\n"
)


def source(top: Path) -> Path:
    return write_source(top / "source", domains__web=WRITTEN, exceptions__web=EXCEPTIONS, modules__site="file read /srv/shared")


def saved(top: Path) -> Path:
    (top / "saved").mkdir()
    texts = {"domain_policy": HELD, "exception_policy": SHARED, "profile": DEFAULT_PROFILES, "manager": "<kernel>\n"}
    for name, text in texts.items():
        (top / "saved" / f"{name}.conf").write_text(text)
    return top / "saved"


def compiled(top: Path) -> Path:
    write_policy_set(PolicySet(HELD, SHARED, profile=DEFAULT_PROFILES, manager="<kernel>\n"), top / "set")
    return top / "set"


def kernel(top: Path) -> Path:
    held = PolicySet(HELD, SHARED, profile=DEFAULT_PROFILES, manager="<kernel>\n").loaded()
    (top / "kernel").mkdir()
    for name in ("domain_policy", "exception_policy", "profile", "manager", "stat"):
        (top / "kernel" / name).write_text(held.read(name))
    return top / "kernel"


def file(name: str, text: str) -> Callable[[Path], Path]:
    def write(top: Path) -> Path:
        (top / name).parent.mkdir(exist_ok=True)
        (top / name).write_text(text)
        return top / name

    return write


#: The forms, each with what makes one.
FORMS: dict[str, Callable[[Path], Path]] = {
    "a file named after its interface": file("domain_policy.conf", HELD),
    "a file of any name": file("web.txt", HELD),
    "a file that uses a module": file("web.txt", WRITTEN),
    "a file with comments at its head": file("web.txt", f"# Head\n\n# about it\n{WRITTEN.replace('site', 'base')}"),
    "a file whose lines end as on Windows": file("web.txt", WRITTEN.replace("site", "base").replace("\n", "\r\n")),
    "a policy source": source,
    "a directory of a policy source": lambda top: source(top) / "domains",
    "a file of a policy source": lambda top: source(top) / "domains" / "web.conf",
    "a policy source of one file": lambda top: file("one/domain_policy.conf", WRITTEN.replace("site", "base"))(top).parent,
    "a saved policy": saved,
    "a file of a saved policy": lambda top: saved(top) / "domain_policy.conf",
    "a compiled set": compiled,
    "a file of a compiled set": lambda top: compiled(top) / "domain_policy.conf",
    "a kernel": kernel,
    "a kernel's file": lambda top: kernel(top) / "domain_policy",
}
#: The commands: what comes before and behind the policy, and what each prints of it.
COMMANDS: dict[str, tuple[list[str], list[str], str]] = {
    "check": (["check"], [], "ok, 2 domains, 1 entry"),
    "fmt": (["fmt"], [], f"{DOMAIN}\nuse_profile 3\nuse_group "),
    "lint": (["lint", "--fail-on", "never"], [], ""),
    "stat": (["stat"], [], "  domains  "),
    "select": (["select", "--name", DOMAIN], [], f"{DOMAIN}\nuse_profile 3\nuse_group "),
    "explain": (["explain"], [DOMAIN, "file", "read", "/srv/index"], "granted"),
    "can": (["can", "--op", "read", "--path", "/srv/index"], [], f"{DOMAIN}"),
    "replay": (["replay"], ["LOG"], "1 as recorded"),
    "suggest": (["suggest"], ["LOG"], "file write /srv/log\n"),
    "suggest --learned": (["suggest"], ["LOG", "--learned"], "file write /srv/log\n"),
    "bind": (["bind", "--closure-file", "CLOSURE", "--root", "ROOT"], [], f"aggregator {WEB}/bin/web nix:/web/bin/web\n"),
    "plan": (["plan"], ["OLD"], f"domain_policy: delete {DOMAIN}\n"),
    "name": (["name", "--closure-file", "/dev/null"], [], f"{DOMAIN}\nuse_profile 3\nuse_group "),
}
ASK = ("explain", "can", "replay", "suggest")


def words(name: str, top: Path) -> tuple[list[str | Path], list[str | Path]]:
    """What comes before and behind the policy in the command NAME, which finds its other files in TOP."""
    (top / "log").write_text(RECORD)
    (top / "closure").write_text(f"{WEB}\n")
    (top / f"root{WEB}/bin").mkdir(parents=True, exist_ok=True)
    (top / f"root{WEB}/bin/web").touch(0o755)
    (top / "old").write_text("<kernel>\nuse_profile 0\n\n<kernel> /old\nuse_profile 3\n\nfile read /x\n")
    places = {word: top / word.lower() for word in ("LOG", "OLD", "ROOT", "CLOSURE")}
    before, behind, _ = COMMANDS[name]
    return [places.get(word, word) for word in before], [places.get(word, word) for word in behind]


def run(name: str, path: Path | str, top: Path, *, stdin: str = "") -> Done:
    """The command NAME on the policy at PATH."""
    before, behind = words(name, top)
    if name.endswith("--learned"):
        return tomoyo(*before, *behind[1:], path, *behind[:1], stdin=stdin.encode())
    return tomoyo(*before, *(["--policy"] if name in ASK else []), path, *behind, stdin=stdin.encode())


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_takes_every_form(name: str, form: str, tmp_path: Path) -> None:
    done = run(name, FORMS[form](tmp_path), tmp_path)
    assert done.status in ((0, 1) if name in ("plan", "replay") else (0,)), done.messages
    assert COMMANDS[name][2] in done.output
    assert ": error: " not in done.messages


@pytest.mark.parametrize("text", [HELD, WRITTEN], ids=["numbers", "modules"])
@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_takes_standard_input(name: str, text: str, tmp_path: Path) -> None:
    done = run(name, "-", tmp_path, stdin=text)
    assert done.status == (1 if name == "plan" else 0), done.messages
    assert COMMANDS[name][2] in done.output


@pytest.mark.parametrize("name", [name for name in COMMANDS if "--" not in name])
def test_every_command_takes_a_kernel(name: str, tmp_path: Path) -> None:
    before, behind = words(name, tmp_path)
    done = tomoyo(*before, *(["--kernel"] if name == "suggest" else []), "--interface", kernel(tmp_path), *behind)
    assert done.status == (1 if name == "plan" else 0), done.messages
    assert COMMANDS[name][2] in done.output


@pytest.mark.parametrize("name", [name for name in COMMANDS if "--" not in name])
def test_a_kernel_that_is_not_there_is_the_systems_fault(name: str, tmp_path: Path) -> None:
    before, behind = words(name, tmp_path)
    done = tomoyo(*before, *(["--kernel"] if name == "suggest" else []), "--interface", tmp_path / "none", *behind)
    assert (done.status, done.output) == (3, "")


@pytest.mark.parametrize("name", ["check", "fmt", "lint", "stat"])
@pytest.mark.parametrize("path", ["modules/site.conf", "exceptions/web.conf"])
def test_so_are_other_files_of_a_source(name: str, path: str, tmp_path: Path) -> None:
    done = run(name, source(tmp_path) / path, tmp_path)
    assert (done.status, done.messages) == (0, "")


@pytest.mark.parametrize("name", ["select", *ASK, "suggest --learned"])
def test_where_domains_are_wanted_other_kinds_are_refused(name: str, tmp_path: Path) -> None:
    done = run(name, source(tmp_path) / "exceptions" / "web.conf", tmp_path)
    assert (done.status, done.output) == (2, "")
    assert "exception policy" in done.messages


@pytest.mark.parametrize("name", COMMANDS)
def test_a_directory_without_policy_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    done = run(name, tmp_path / "empty", tmp_path)
    assert (done.status, done.output) == (2, "")
    assert f"{tmp_path}/empty: error: no policy in this directory [" in done.messages
    assert "help: a policy source has " in done.messages


# Policy sources


def test_what_is_wrong_with_a_source_is_an_error_at_its_place(tmp_path: Path) -> None:
    place = source(tmp_path)
    (place / "domains" / "web.conf").write_text(WRITTEN.replace("site", "syte").replace("read", "raed"))
    (place / "domains" / "other.conf").write_text("<kernel> /x\nuse_profile 3\nuse_group bsae\n")
    done = tomoyo("check", place)
    assert done.status == 1
    for text in (
        "web.conf:6:11: error: there is no module 'syte' [undefined-module]\n    use_group syte\n              ^\n"
        "help: did you mean 'site'?",
        "web.conf:8:6: error: ",
        "other.conf:3:11: error",
    ):
        assert text in done.messages
    assert done.messages.count(": error: ") == 3
    # Of a file only what is in it; of the rest of the source it is taken what can be.
    done = tomoyo("check", place / "domains" / "other.conf")
    assert (done.status, done.messages.count(": error: ")) == (1, 1)
    done = tomoyo("explain", "--policy", place, DOMAIN, "file", "read", "/srv/index")
    assert (done.status, done.output) == (2, "")
    assert "there is no module 'syte'" in done.messages


def test_a_source_is_asked_with_its_modules_groups_and_profiles(tmp_path: Path) -> None:
    place = source(tmp_path)
    for path in (place, place / "domains" / "web.conf"):
        done = tomoyo("explain", "--policy", path, DOMAIN, "file", "read", "/srv/shared")
        assert (done.status, done.messages) == (0, "")
        assert done.output.startswith("granted (enforcing mode): 'file read /srv/shared' of module site grants ")


def test_a_module_in_a_single_file_is_a_warning(tmp_path: Path) -> None:
    path = file("web.txt", WRITTEN)(tmp_path)
    done = tomoyo("check", path)
    assert (done.status, done.messages.startswith(f"{path}:6:11: warning: module 'site': ")) == (0, True)
    assert tomoyo("check", source(tmp_path)).messages == ""


@pytest.mark.parametrize("command", ["check", "fmt", "stat", "lint --fail-on never"])
def test_managers_may_be_named_as_packages_are(command: str, tmp_path: Path) -> None:
    path = source(tmp_path) / "manager.conf"
    path.write_text("nix:/tomoyo/bin/tomoyo\n")
    done = tomoyo(*command.split(), path)
    assert (done.status, done.messages) == (0, "")
    assert command != "fmt" or done.output == path.read_text()
    path.write_text("tomoyo\n")
    if command != "lint --fail-on never":
        assert tomoyo(*command.split(), path).status != 0
    # To a kernel it is nobody.
    other = compiled(tmp_path) / "manager.conf"
    other.write_text("nix:/tomoyo/bin/tomoyo\n")
    assert "never matches" in tomoyo("check", other).messages


def test_a_file_is_asked_for_its_own_domains(tmp_path: Path) -> None:
    place = source(tmp_path)
    (place / "domains" / "x.conf").write_text("<kernel> /x\nuse_profile 3\n\nfile read /x\n")
    done = tomoyo("can", "--policy", place / "domains" / "web.conf", "--op", "read", "--path", "/x")
    assert "<kernel> /x" not in done.output
    assert "the other domains of it are left out" in done.messages
    assert "<kernel> /x" in tomoyo("can", "--policy", place, "--op", "read", "--path", "/x").output


def test_a_single_file_gives_the_answers_of_its_entries(tmp_path: Path) -> None:
    path = file("web.txt", WRITTEN.replace("site", "base"))(tmp_path)
    done = tomoyo("explain", "--policy", path, DOMAIN, "file", "write", "/dev/null")
    assert done.status == 0
    assert done.messages.startswith(
        f"tomoyo: note: {path} is a single file: the answers are those of the entries alone [answers]\n"
    )
    path = file("web.txt", WRITTEN)(tmp_path)
    done = tomoyo("explain", "--policy", path, DOMAIN, "file", "read", "/srv/shared")
    assert done.status == 1
    assert "the policy library has no module site: its entries are left out" in done.messages


def test_names_are_answered_by_name(tmp_path: Path) -> None:
    text = f"{DOMAIN}\nuse_profile 3\n\nfile read @nix:/web/share/\\*.html\n"
    place = write_source(tmp_path / "source", domains__web=text)
    asked: list[str | Path] = ["explain", "--policy", place, DOMAIN, "file", "read"]
    done = tomoyo(*asked, "nix:/web/share/index.html")
    assert done.status == 0
    assert "1 name is not bound to store paths: ask for its file by name, such as nix:/web/share/\\*.html" in done.messages
    done = tomoyo(*asked, "nix:/web/share/index.css")
    assert done.status == 2
    assert "it asks for files by their real paths" in done.messages
    done = tomoyo("can", "--policy", place, "--op", "read", "--path", "nix:/web/share/index.html")
    assert done.output.startswith(DOMAIN)
    # A kernel knows no names of files.
    (tmp_path / "kernel").mkdir()
    for name in ("domain_policy", "exception_policy", "profile"):
        (tmp_path / "kernel" / name).write_text(text if name == "domain_policy" else "")
    done = tomoyo("explain", "--interface", tmp_path / "kernel", DOMAIN, "file", "read", "nix:/web/share/index.html")
    assert done.status == 2
    assert "it asks for files by their real paths" in done.messages


@pytest.mark.parametrize(
    "entry", ["read nix:/a/b", "read nix:/a/\\*", "read/execute nix:/a/b", "rename nix:/a/b /x", "read @own"]
)
@pytest.mark.parametrize("other", ["", "file read @nix:/c/d\n", "file read @nix:/a/b\n"])
def test_a_name_without_a_sign_is_never_asked_for(entry: str, other: str, tmp_path: Path) -> None:
    """Whatever names other lines have, even the same one: the kernel compares the entry with real paths."""
    place = tmp_path / "policy"
    place.mkdir()
    (place / "exception_policy.conf").write_text("path_group own nix:/a/b\n")
    elsewhere = f"<kernel> /else\nuse_profile 3\n{other}" if "@nix:/a/b" in other else other
    (place / "domain_policy.conf").write_text(f"<kernel> /a\nuse_profile 3\nfile {entry}\n{elsewhere}")
    operation = entry.partition(" ")[0].partition("/")[0]
    words = [operation, "nix:/a/b", *entry.split()[2:]]
    is_known = "@nix:/a/b" in other
    assert tomoyo("explain", "--policy", place, "<kernel> /a", "file", *words).status == (1 if is_known else 2)
    for question in (["file", *words], ["--op", operation, "--path", "nix:/a/b"]):
        done = tomoyo("can", "--policy", place, *question)
        assert "<kernel> /a\n" not in done.output
        assert done.status == ((0 if operation == "read" else 1) if is_known else 2)


def test_the_library_is_asked_by_the_name_of_a_service(tmp_path: Path) -> None:
    place = write_source(tmp_path / "source", domains__web=WRITTEN.replace("site", "base"))
    done = tomoyo("select", "--name", "nix:/nginx/bin/nginx", place)
    assert done.status == 2
    asked = ["nix:/nginx/bin/nginx", "file", "read", "/srv/www/x"]
    done = tomoyo("explain", "--library", "nginx=enforce", "--policy", place, f"<kernel> {asked[0]}", *asked[1:])
    assert (done.status, done.output.startswith("granted (enforcing mode)")) == (0, True)


@pytest.mark.parametrize("name", ["check", "fmt", "lint", "stat", *ASK])
def test_the_projects_own_policies_are_taken(name: str, tmp_path: Path) -> None:
    import tomoyo as package

    services = Path(package.__file__).parent / "policies" / "services"
    for path in (services / "nginx", services / "nginx" / "domains" / "nginx.conf"):
        (tmp_path / "log").write_text(RECORD.replace(DOMAIN, "<kernel> nix:/nginx/bin/nginx"))
        asked = {
            "explain": ["<kernel> nix:/nginx/bin/nginx", "file", "read", "/srv/www/x"],
            "can": ["file", "read", "/srv/www/x"],
        }
        words = [tmp_path / "log"] if name in ("replay", "suggest") else asked.get(name, [])
        done = tomoyo(name, *(["--policy"] if name in ASK else []), path, *words)
        assert done.status == 0, done.messages


def test_what_name_prints_can_be_selected_from(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "manifest.json").write_text('{"format": 1, "modules": {"site": 1}}')
    (tmp_path / "closure").write_text("")
    learned = file("domain_policy.conf", HELD)(tmp_path)
    named = tomoyo("name", "--set", tmp_path / "set", "--closure-file", tmp_path / "closure", learned)
    assert "use_group site\n" in named.output
    done = tomoyo("select", "--name", DOMAIN, "-", stdin=named.output.encode())
    assert done.output == f"{DOMAIN}\nuse_profile 3\nuse_group site\n\nfile read /srv/index\n\n"
    (domain,) = tomoyo("select", "--name", DOMAIN, "--json", "-", stdin=named.output.encode()).result
    assert domain["groups"] == ["site"]
    tomoyo("name", "--set", tmp_path / "set", "--closure-file", tmp_path / "closure", learned, "-o", tmp_path / "out")
    assert tomoyo("select", "--name", DOMAIN, tmp_path / "out").output == done.output


def test_name_takes_a_saved_policy(tmp_path: Path) -> None:
    (tmp_path / "closure").write_text("")
    done = tomoyo("name", "--closure-file", tmp_path / "closure", saved(tmp_path))
    assert (done.status, done.output) == (0, HELD)


def test_suggestions_go_to_the_file_that_has_the_domain(tmp_path: Path) -> None:
    place = source(tmp_path)
    other = place / "domains" / "a.conf"
    other.write_text("<kernel> /a\nuse_profile 3\n")
    (tmp_path / "log").write_text(RECORD)
    done = tomoyo("suggest", "--policy", place, "--diff", tmp_path / "log")
    assert done.output.startswith(f"--- {place}/domains/web.conf\n")
    assert "+file write /srv/log\n" in done.output
    assert tomoyo("suggest", "--policy", place, "-o", tmp_path / "x", tmp_path / "log").status == 2
    assert tomoyo("suggest", "--policy", place, "--in-place", tmp_path / "log").status == 0
    assert (place / "domains" / "web.conf").read_text().endswith("file read /srv/index\nfile write /srv/log\n")
    assert other.read_text() == "<kernel> /a\nuse_profile 3\n"
    assert tomoyo("suggest", "--policy", place, tmp_path / "log").output == ""


def test_a_module_is_no_business_of_a_kernel(tmp_path: Path) -> None:
    done = tomoyo("fmt", "--as-kernel", source(tmp_path) / "modules" / "site.conf")
    assert (done.status, "a kernel holds no modules" in done.messages) == (2, True)
    # In a compiled set, a module's name is a line that a kernel drops.
    path = compiled(tmp_path) / "domain_policy.conf"
    path.write_text(WRITTEN)
    done = tomoyo("check", path)
    assert (done.status, "domain_policy.conf:6:1: error: no profile or group" in done.messages) == (1, True)


@pytest.mark.parametrize("command", [["explain", "--policy"], ["can", "--policy"]])
def test_comments_are_no_lines_that_are_dropped(command: list[str], tmp_path: Path) -> None:
    path = file("web.txt", f"# Head\n\n# about it\n{HELD}")(tmp_path)
    rest = [DOMAIN, "file", "read", "/srv/index"] if command[0] == "explain" else ["file", "read", "/srv/index"]
    done = tomoyo(*command, path, *rest)
    assert done.status == 0
    assert "warning" not in done.messages


# Parts of a policy source, and directories of several


@pytest.mark.parametrize("command", ["check", "fmt", "stat"])
def test_a_directory_of_a_source_is_its_files(command: str, tmp_path: Path) -> None:
    place = source(tmp_path)
    for folder, file in (("domains", "web.conf"), ("exceptions", "web.conf"), ("modules", "site.conf")):
        done, single = tomoyo(command, place / folder), tomoyo(command, place / folder / file)
        assert (done.status, done.messages, done.output) == (0, "", single.output)
    (place / "numbers").mkdir()  # whatever is wrong elsewhere
    assert tomoyo(command, place / "modules").output == single.output


@pytest.mark.parametrize("command", ["check", "fmt", "stat"])
def test_numbers_of_modules_are_policy(command: str, tmp_path: Path) -> None:
    path = source(tmp_path) / "module-numbers.conf"
    path.write_text("# Kept.\nsite   7\n")
    done = tomoyo(command, path)
    assert (done.status, done.messages) == (0, "")
    assert {"check": "ok, 1 number of a module", "fmt": "# Kept.\nsite 7\n", "stat": "numbers of modules"}[command] in done.output
    path.write_text("site 7\nsite 8\nother 256\n")
    done = tomoyo(command, path)
    assert done.status == (1 if command == "check" else 2)
    assert f"{path}:" in done.messages


@pytest.mark.parametrize("command", ["check", "fmt", "lint", "stat"])
@pytest.mark.parametrize("depth", ["", "services"])
def test_a_directory_of_policy_sources_is_said_once_to_be_one(command: str, depth: str, tmp_path: Path) -> None:
    (tmp_path / "services").mkdir()
    for name in ("a", "b"):
        write_source(tmp_path / "services" / name, domains__web=WRITTEN)
    done = tomoyo(command, tmp_path / depth)
    assert (done.status, done.output) == (2, "")
    assert done.messages == (
        f"{tmp_path / depth}: error: 2 policy sources are in this directory, which is none itself [no-policy]\n"
        f"help: give one of them, such as {tmp_path}/services/a\n"
    )


@pytest.mark.parametrize(
    "entry", ["execute /usr/bin/\\*", "execute /usr/bin/\\@", "execute /bin/a /usr/bin/\\*", "read /usr/bin/\\*"]
)
@pytest.mark.parametrize("control", ["initialize_domain /usr/bin/\\* from any", "keep_domain any from /usr/bin/\\*"])
def test_check_warns_of_patterns_in_transitions_as_lint_does(entry: str, control: str, tmp_path: Path) -> None:
    held = tmp_path / "held"
    held.mkdir()
    (held / "domain_policy.conf").write_text(f"<kernel>\nuse_profile 3\nfile {entry}\n")
    (held / "exception_policy.conf").write_text(f"{control}\n")
    written = write_source(
        tmp_path / "source", domains__a=f"<kernel> /a\nuse_profile 3\nfile {entry}\n", exceptions__a=f"{control}\n"
    )
    is_executed = entry.startswith("execute") and "\\*" in entry
    for place in (held, written):
        for command in ("check", "lint"):
            done = tomoyo(command, place)
            assert ("nothing is executed by that name" in done.messages + done.output) is not is_executed, command


def test_nothing_is_made_of_a_policy_with_lines_that_a_kernel_drops(tmp_path: Path) -> None:
    text = HELD.replace("file ", "file raed /etc/a\nfile ", 1)
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "domain_policy.conf").write_text(text)
    for path in (broken, broken / "domain_policy.conf"):
        done = tomoyo("bind", path, "--closure-file", tmp_path / "closure", "-o", tmp_path / "out")
        assert (done.status, done.output, (tmp_path / "out").exists()) == (2, "", False)
        assert "did you mean 'read'?" in done.messages
        for policies in ((path, compiled_once(tmp_path)), (compiled_once(tmp_path), path)):
            done = tomoyo("plan", *policies)
            assert (done.status, done.output) == (2, "")


def test_a_plan_keeps_quotas_and_knows_the_profiles_of_each_namespace(tmp_path: Path) -> None:
    kernel(tmp_path)
    (tmp_path / "held").mkdir()
    for name in ("domain_policy", "exception_policy", "profile", "manager"):
        (tmp_path / "held" / f"{name}.conf").write_text((tmp_path / "kernel" / name).read_text())
    (tmp_path / "held" / "stat.conf").write_text("Memory used by policy: 1048576\n")
    assert tomoyo("plan", tmp_path / "kernel", tmp_path / "held").output == "stat: Memory used by policy: 1048576\n"
    assert tomoyo("plan", tmp_path / "held", tmp_path / "held").output == ""
    (tmp_path / "web.txt").write_text("<web> /a\nuse_profile 3\n")
    assert "<web> /a" in tomoyo("plan", tmp_path / "kernel", tmp_path / "web.txt").output


def test_a_plan_from_what_no_kernel_reads_is_refused(tmp_path: Path) -> None:
    kernel(tmp_path)
    held = tmp_path / "kernel" / "domain_policy"
    held.write_text(held.read_text().replace("\nfile ", "\nfile write /etc/shadow 0x0=@nix:/a/b grant_log=no\nfile ", 1))
    done = tomoyo("plan", tmp_path / "kernel", compiled_once(tmp_path))
    assert (done.status, done.output) == (2, "")
    assert "no kernel reads" in done.messages


def compiled_once(top: Path) -> Path:
    return top / "set" if (top / "set").exists() else compiled(top)
