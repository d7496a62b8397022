"""What the options take, what they refuse, and that a refusal names the option."""

from __future__ import annotations

import pytest

from tomoyo.model.profiles import FUNCTIONALITIES

from .evaluation import TOP_LEVEL, Evaluator
from .options_document import DOCUMENT, document

TEXT = 'text = "<kernel> nix:/hello/bin/hello\\n";'

# A configuration below security.tomoyo, and what the message says.
REFUSED = {
    "enable = 1;": ["security.tomoyo.enable", "boolean"],
    "package = 7;": ["security.tomoyo.package", "package"],
    'policies.hello.state = "complain";': ["security.tomoyo.policies.hello.state", '"enforce"', '"permissive"', "complain"],
    "policies.hello.text = 5;": ["security.tomoyo.policies.hello.text"],
    'policies.hello.path = "relative";': ["security.tomoyo.policies.hello.path"],
    "policies.hello = { };": ["security.tomoyo.policies.hello: set exactly one of 'text' and 'path'"],
    f"policies.hello = {{ {TEXT} path = /etc/hello; }};": [
        "security.tomoyo.policies.hello: set exactly one of 'text' and 'path'"
    ],
    f"policies.hello = {{ {TEXT} mode = 3; }};": ["security.tomoyo.policies.hello.mode", "does not exist"],
    f'policies."a/b" = {{ {TEXT} }};': ["security.tomoyo.policies: 'a/b' is no name"],
    f'policies.".hidden" = {{ {TEXT} }};': ["security.tomoyo.policies: '.hidden' is no name"],
    'modules."../base" = "file read /x";': ["security.tomoyo.modules: '../base' is no name"],
    'modules."7" = "file read /x";': ["security.tomoyo.modules: '7' is no name"],
    "library.ngnix.enable = true;": ["security.tomoyo.library: there is no policy for 'ngnix'", "nginx"],
    'library.nginx.state = "on";': ["security.tomoyo.library.nginx.state", '"permissive"'],
    "library.nginx.enable = 1;": ["security.tomoyo.library.nginx.enable", "boolean"],
    "library.nginx.extraPolicy = [ ];": ["security.tomoyo.library.nginx.extraPolicy"],
    'library.nginx.text = "";': ["security.tomoyo.library.nginx.text", "does not exist"],
    "moduleNumbers.base = 256;": ["security.tomoyo.moduleNumbers.base", "between 0 and 255"],
    "modules.base = [ ];": ["security.tomoyo.modules.base"],
    "exceptionPolicy = [ ];": ["security.tomoyo.exceptionPolicy"],
    'profiles."256".comment = "";': ["security.tomoyo.profiles: '256' is no profile number"],
    'profiles."03".comment = "";': ["security.tomoyo.profiles: '03' is no profile number"],
    'profiles.strict.comment = "";': ["security.tomoyo.profiles: 'strict' is no profile number"],
    'profiles."4".comment = "zwölf";': ["security.tomoyo.profiles", "comment"],
    'profiles."4".default.mode = "enforce";': ["security.tomoyo.profiles", "default.mode", "enforcing"],
    'profiles."4".config."file::opne".mode = "learning";': [
        "security.tomoyo.profiles",
        "the kernel knows no 'file::opne'",
        "file::open",
    ],
    'profiles."4".max_audit_log = -1;': ["security.tomoyo.profiles", "max_audit_log"],
    'profiles."3".default.mode = "permissive";': ["security.tomoyo.profiles", "must stay 'enforcing'", "state 'enforce'"],
    'managers = [ "tomoyo" ];': ["security.tomoyo.managers"],
    'managers = [ "/a\\n/b" ];': ["security.tomoyo.managers"],
    "packages.nginx = 1;": ["security.tomoyo.packages.nginx"],
    'packages."a b" = pkgs.hello;': ["security.tomoyo.packages: 'a b' is no package's name"],
    "extraClosureRoots = [ 1 ];": ["security.tomoyo.extraClosureRoots"],
    "quotas.policy = -1;": ["security.tomoyo.quotas.policy"],
    'quotas.audit = "1M";': ["security.tomoyo.quotas.audit"],
    "learning.maxEntries = -5;": ["security.tomoyo.learning.maxEntries"],
    'learning.keep = "yes";': ["security.tomoyo.learning.keep"],
    'learning.save.directory = "var";': ["security.tomoyo.learning.save.directory"],
    "audit.enable = null;": ["security.tomoyo.audit.enable"],
    'audit.directory = "log";': ["security.tomoyo.audit.directory"],
    "query.rules = 3;": ["security.tomoyo.query.rules"],
    'gc.interval = "monthly";': ["security.tomoyo.gc.interval"],
    'kernel.lsm = [ "yama,tomoyo" ];': ["security.tomoyo.kernel.lsm"],
    'boot.onFailure = "panic";': ["security.tomoyo.boot.onFailure"],
    "enforce = true;": ["security.tomoyo.enforce", "does not exist"],
}


@pytest.mark.parametrize("configuration", REFUSED)
@pytest.mark.parametrize("platform", ["nixos", "finix"])
def test_a_wrong_value_is_refused_by_the_name_of_its_option(evaluator: Evaluator, platform: str, configuration: str) -> None:
    enable = "" if configuration.startswith("enable") else "enable = true; "
    everything = f"{{ security.tomoyo = {{ {enable}{configuration} }}; }}"
    # All values at once: one that nothing else reads must be wrong, too.
    checked = f'builtins.deepSeq (removeAttrs s.config.security.tomoyo [ "build" ]) {TOP_LEVEL}.drvPath'
    message = evaluator.error(platform, everything, checked)
    for part in REFUSED[configuration]:
        assert part in message


@pytest.mark.parametrize("platform", ["nixos", "finix"])
def test_nothing_changes_unless_it_is_enabled(evaluator: Evaluator, platform: str) -> None:
    parts = "{ inherit (s.config.boot) kernelParams kernelPatches; inherit (s.config) assertions; }"
    configuration = f"{{ security.tomoyo.policies.hello = {{ {TEXT} }}; }}"
    assert evaluator.value(platform, configuration, parts) == {"kernelParams": [], "kernelPatches": [], "assertions": []}


def test_every_option_has_a_type_a_default_an_example_and_a_description(evaluator: Evaluator) -> None:
    for platform in ("nixos", "finix"):
        listed = evaluator.value(
            platform,
            "{ }",
            "let lib = import " + str(evaluator.library) + "; in map (option: { inherit (option) name type description internal; "
            "default = option ? default; example = option ? example; }) (lib.optionAttrSetToDocList "
            "{ security.tomoyo = s.options.security.tomoyo; })",
        )
        public = [option for option in listed if not option["internal"]]
        assert len(public) > 40
        # A name of a set of submodules stands for what is written there; its value has no default of its own.
        lacking = [
            option["name"]
            for option in public
            if not (option["default"] and option["example"] and option["description"] and option["type"])
        ]
        assert not lacking


def test_the_functionalities_of_profiles_are_those_of_the_kernel(standin: Evaluator) -> None:
    listed = standin.store.evaluate(
        f"(import {standin.root}/tomoyo/nixos/render.nix {{ lib = import {standin.library}; }}).functionalities"
    )
    assert sorted(listed) == sorted(FUNCTIONALITIES)


def test_the_reference_is_current(evaluator: Evaluator) -> None:
    """`python3 -m tests.nixos.options_document` writes it anew."""
    assert DOCUMENT.read_text() == document(evaluator)
