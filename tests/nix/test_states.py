"""A state holds for every domain of its policy, however that is laid out, or the policy does not compile."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tomoyo.model.profiles import STATES, ServiceState
from tomoyo.nix.source.library import read_sources
from tomoyo.nix.source.lint import policy_texts
from tomoyo.nix.source.policy import Conflicts, combine_sources
from tomoyo.simulation.located_policy import read_located_policy

from .sources import refusals

PROFILES = """\
PROFILE_VERSION=20150505
{0} 0-CONFIG={{ mode=disabled grant_log=no reject_log=yes }}
{0} 1-CONFIG={{ mode=learning grant_log=no reject_log=yes }}
{0} 2-CONFIG={{ mode=permissive grant_log=no reject_log=yes }}
{0} 3-CONFIG={{ mode=enforcing grant_log=no reject_log=yes }}
"""
WEB = "<web> PROFILE_VERSION=20150505\n" + PROFILES.format("<web>").partition("\n")[2]
DOMAIN = "<kernel> /usr/bin/x"


def write(folder: Path, files: dict[str, str]) -> Path:
    """FILES in FOLDER, byte for byte."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def profiles(*folders: Path, **services: ServiceState) -> dict[str, int]:
    """The profile of every domain; what `lint` takes it for is the same."""
    files = read_sources(folders, services)
    found = {domain.name.text: domain.profile for domain in combine_sources(files).domains}
    placed = read_located_policy(policy_texts(files))
    assert {name: found[name] for name in placed.domains} == {name: domain.profile for name, domain in placed.domains.items()}
    return found


#: How a policy may be laid out, and the domains that it has.
LAYOUTS: dict[str, tuple[dict[str, str], set[str]]] = {
    "as `name -o` writes it": (
        {
            "domain_policy.conf": f"<kernel>\nuse_profile 0\n\n\n{DOMAIN}\nuse_profile 1\nuse_group 0\n\nfile read /a\n",
            "exception_policy.conf": "acl_group 0 file read /b\n",
        },
        {"<kernel>", DOMAIN},
    ),
    "files of domains": (
        {"domains/a.conf": f"{DOMAIN}\n", "domains/b.conf": "<kernel> /b\nuse_profile 1\n"},
        {DOMAIN, "<kernel> /b"},
    ),
    "both": (
        {
            "domain_policy.conf": f"{DOMAIN}\nuse_profile 0\n",
            "domains/a.conf": f"{DOMAIN}\nfile read /a\n<kernel> /b\nuse_profile 2\n",
        },
        {DOMAIN, "<kernel> /b"},
    ),
    "another namespace": (
        {"domains/a.conf": "<web>\nuse_profile 0\n<web> /usr/bin/x\nuse_profile 1\n", "profile.conf": PROFILES.format("") + WEB},
        {"<web>", "<web> /usr/bin/x"},
    ),
    "profiles in unusual places": (
        {
            "domain_policy.conf": f"  {DOMAIN}  \n\nfile read /a\n\n# c\n\tuse_profile\t1\n{DOMAIN} /y\n   use_profile   02\n"
            f"{DOMAIN}\nuse_profile 0\nuse_profile 2\n"
        },
        {DOMAIN, f"{DOMAIN} /y"},
    ),
    "spaces and tabs": (
        {"domain_policy.conf": f"\t<kernel>\t/usr/bin/x  \t /y\nuse_profile 1\n{DOMAIN}\n"},
        {DOMAIN, f"{DOMAIN} /y"},
    ),
    "returns before the ends of lines": ({"domain_policy.conf": f"{DOMAIN}\r\nuse_profile 1\r\nfile read /a\r\n"}, {DOMAIN}),
    "a blank name": ({"domains/ .conf": f"{DOMAIN}\n", "domains/-n.conf": "<kernel> /n\n"}, {DOMAIN, "<kernel> /n"}),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("word", STATES)
def test_a_state_holds_for_every_domain(tmp_path: Path, layout: str, word: str) -> None:
    files, domains = LAYOUTS[layout]
    folder = write(tmp_path, files | {"state.conf": f"# by the options\n\n {word}\n"})
    found = profiles(folder)
    assert set(found) == {*domains, "<kernel>"}
    expected = STATES[word].value
    assert found == {name: expected if name in domains else 0 for name in found}


def test_links_are_followed(tmp_path: Path) -> None:
    """Nix builds folders of links."""
    real = write(tmp_path / "real", {"domain_policy.conf": f"{DOMAIN}\nuse_profile 1\n", "state.conf": "enforce\n"})
    linked = tmp_path / "linked"
    linked.mkdir()
    for name in ("domain_policy.conf", "state.conf"):
        (linked / name).symlink_to(real / name)
    assert profiles(linked)[DOMAIN] == 3


REFUSED = {
    "": "enforce, disabled, learning, enforcing, or library; found nothing",
    "enforce enforce\n": "state.conf:1:1: expected one state, which is",
    "enforce\nlearn\n": "state.conf:2:1: expected one state, which is",
    "enforce\nlibrary\n": "state.conf:2:1: expected one state, which is",
    "enforec\n": "found 'enforec'; did you mean 'enforce'?",
    "3\n": "found '3'",
    "Enforce\n": "found 'Enforce'; did you mean 'enforce'?",
    "enforce # c\n": "found 'enforce # c'",
}


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_no_state_is_refused_with_its_place(tmp_path: Path, text: str) -> None:
    (reason,) = refusals(write(tmp_path / "source", {"domains/a.conf": f"{DOMAIN}\nuse_profile 1\n", "state.conf": text}))
    assert REFUSED[text] in reason
    assert reason.startswith("source/state.conf")


@pytest.mark.parametrize(
    "make", [Path.mkdir, lambda path: path.symlink_to("nowhere"), lambda path: path.symlink_to("state.conf")]
)
def test_a_state_that_cannot_be_read_is_refused(tmp_path: Path, make: Callable[[Path], object]) -> None:
    folder = write(tmp_path / "source", {"domains/a.conf": f"{DOMAIN}\nuse_profile 1\n"})
    make(folder / "state.conf")
    assert [reason.partition(":")[0] for reason in refusals(folder)] == ["source/state.conf"]


def test_a_misspelt_file_of_a_state_is_refused(tmp_path: Path) -> None:
    folder = write(tmp_path / "source", {"domains/a.conf": f"{DOMAIN}\nuse_profile 1\n", "states.conf": "enforce\n"})
    assert refusals(folder) == ["source/states.conf: nothing reads this here; did you mean 'state.conf'?"]


def test_a_state_is_no_policy(tmp_path: Path) -> None:
    folder = write(tmp_path / "source", {"state.conf": "enforce\n"})
    assert refusals(folder)[0].startswith("source: no policy source")


def test_a_profile_that_is_not_what_the_state_says_is_refused(tmp_path: Path) -> None:
    weak = WEB.replace("3-CONFIG={ mode=enforcing", "3-CONFIG={ mode=permissive")
    folder = write(tmp_path / "source", {"domains/a.conf": "<web>\n<web> /x\n", "profile.conf": PROFILES.format("") + weak})
    write(folder, {"state.conf": "enforce\n"})
    reason = "the state enforce is profile 3, which is permissive in <web>"
    assert refusals(folder) == [f"source/domains/a.conf:{line}:1: {reason}" for line in (1, 2)]
    write(folder, {"state.conf": "permissive\n"})
    assert profiles(folder)["<web> /x"] == 2
    # Without a state nobody said what profile 3 is.
    write(folder, {"domains/a.conf": "<web>\nuse_profile 3\n"})
    (folder / "state.conf").unlink()
    assert profiles(folder)["<web>"] == 3


def test_what_two_directories_say_must_agree(tmp_path: Path) -> None:
    one = write(tmp_path / "one", {"domain_policy.conf": f"{DOMAIN}\nuse_profile 0\n", "state.conf": "enforce\n"})
    two = write(tmp_path / "two", {"domains/x.conf": f"# c\n{DOMAIN}\nuse_profile 3\n"})
    assert profiles(one, two)[DOMAIN] == profiles(two, one)[DOMAIN] == 3
    write(two, {"domains/x.conf": f"# c\n{DOMAIN}\nuse_profile 0\n"})
    (reason,) = refusals(one, two)
    assert reason == "two/domains/x.conf:3:1: one/domain_policy.conf:1 gives this domain profile 3: 'use_profile 0'"
    write(two, {"state.conf": "learn\n"})
    (reason,) = refusals(one, two)
    assert reason.startswith("two/domains/x.conf:2:1: the state of this directory is profile 1, but ")
    files = read_sources([one, two])
    later = combine_sources(files, Conflicts.LATER_WINS)
    assert [domain.profile for domain in later.domains if domain.name.text == DOMAIN] == [1]


NGINX = "<kernel> nix:/nginx/bin/nginx"
LOGIN = "<kernel> nix:/openssh/bin/sshd /login"


def test_the_state_of_a_library_service_and_that_of_a_policy_must_agree(tmp_path: Path) -> None:
    folder = write(tmp_path / "source", {"domains/nginx.conf": f"{NGINX}\nuse_profile 0\n", "state.conf": "enforce\n"})
    assert profiles(folder, nginx=ServiceState.ENFORCE)[NGINX] == 3
    with pytest.raises(
        Exception, match=r"the state of this directory is profile 3, but .*nginx\.conf:\d+ gives this domain profile 2"
    ):
        profiles(folder, nginx=ServiceState.PERMISSIVE)
    # Where the library's confinement ends, a policy may begin one.
    write(folder, {"domains/nginx.conf": f"{LOGIN}\n", "state.conf": "learn\n"})
    assert profiles(folder, openssh=ServiceState.ENFORCE)[LOGIN] == 1


def test_what_adds_to_the_library_leaves_its_states(tmp_path: Path) -> None:
    own = "<kernel> /usr/bin/own\nuse_profile 1\n"
    folder = write(tmp_path / "source", {"domains/nginx.conf": f"{NGINX}\nfile read /srv/x\n{own}", "state.conf": "library\n"})
    found = profiles(folder, nginx=ServiceState.ENFORCE)
    assert (found[NGINX], found["<kernel> /usr/bin/own"]) == (3, 1)
    for profile in (0, 2):
        write(folder, {"domains/nginx.conf": f"{NGINX}\nuse_profile {profile}\n"})
        with pytest.raises(Exception, match=r"nginx\.conf:\d+ gives this domain profile 3"):
            profiles(folder, nginx=ServiceState.ENFORCE)
    write(folder, {"domains/nginx.conf": f"{LOGIN}\nfile read /x\n"})
    assert profiles(folder, openssh=ServiceState.ENFORCE)[LOGIN] == 0
