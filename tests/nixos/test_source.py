"""The policy source that is made of the options: each file, byte for byte."""

from __future__ import annotations

from pathlib import Path

from .evaluation import Evaluator


def source(evaluator: Evaluator, configuration: str, platform: str = "nixos") -> dict[str, str]:
    """The files of the policy source that a configuration below security.tomoyo makes, by their place."""
    built = evaluator.build(
        platform, f"{{ security.tomoyo = {{ enable = true; {configuration} }}; }}", "s.config.security.tomoyo.build.source"
    )
    return {str(path.relative_to(built)): path.read_text() for path in sorted(built.rglob("*")) if path.is_file()}


PROFILES = """\
PROFILE_VERSION=20150505
0-COMMENT=disable
0-PREFERENCE={ max_audit_log=4096 max_learning_entry=2048 }
0-CONFIG={ mode=disabled grant_log=no reject_log=yes }
1-COMMENT=learn
1-PREFERENCE={ max_audit_log=4096 max_learning_entry=2048 }
1-CONFIG={ mode=learning grant_log=no reject_log=yes }
2-COMMENT=permissive
2-PREFERENCE={ max_audit_log=4096 max_learning_entry=2048 }
2-CONFIG={ mode=permissive grant_log=no reject_log=yes }
3-COMMENT=enforce
3-PREFERENCE={ max_audit_log=4096 max_learning_entry=2048 }
3-CONFIG={ mode=enforcing grant_log=no reject_log=yes }
"""
SYSTEM = {
    "system/profile.conf": PROFILES,
    "system/manager.conf": "<kernel> nix:/tomoyo/bin/tomoyo\n",
    "system/domains/tomoyo.conf": "<kernel> nix:/tomoyo/bin/tomoyo\nuse_profile 0\n",
    "system/exceptions/tomoyo.conf": "initialize_domain nix:/tomoyo/bin/tomoyo from any\n",
}


def test_without_policies_there_is_what_activation_needs(evaluator: Evaluator) -> None:
    assert source(evaluator, "") == SYSTEM
    assert source(evaluator, "", "finix") == SYSTEM


def test_a_policy_stays_as_it_is_given_and_its_state_stands_beside_it(evaluator: Evaluator) -> None:
    text = """
      # two domains
      <kernel> nix:/hello/bin/hello
      use_profile 3
        <kernel> nix:/hello/bin/hello   nix:/coreutils/bin/cat
    """
    for state in ("enforce", "permissive", "learn", "disable"):
        files = source(evaluator, f"policies.hello = {{ state = \"{state}\"; text = ''{text}''; }};")
        assert set(files) == {*SYSTEM, "policies/hello/domains/hello.conf", "policies/hello/state.conf"}
        # As Nix reads such a text, but that its last line ends.
        expected = text.replace("\n      ", "\n").lstrip("\n").rstrip(" ")
        assert files["policies/hello/domains/hello.conf"] == expected
        assert files["policies/hello/state.conf"] == f"{state}\n"


def test_a_policy_may_be_a_file_or_a_whole_folder(evaluator: Evaluator, tmp_path: Path) -> None:
    folder = tmp_path / "nginx"
    (folder / "domains").mkdir(parents=True)
    (folder / "exceptions").mkdir()
    (folder / "modules").mkdir()
    (folder / "domains" / "nginx.conf").write_text("<kernel> nix:/nginx/bin/nginx\nuse_profile 3\nuse_group web\n")
    (folder / "exceptions" / "nginx.conf").write_text("initialize_domain nix:/nginx/bin/nginx from any\n")
    (folder / "modules" / "web.conf").write_text("file read /srv/\\{\\*\\}/\\*\n")
    file = tmp_path / "hello.policy"
    file.write_text("<kernel> nix:/hello/bin/hello\n")
    files = source(
        evaluator,
        f'policies.nginx = {{ path = {folder}; state = "permissive"; exceptions = "keep_domain any from <kernel>"; }};'
        f" policies.hello.path = {file};",
    )
    assert {name: text for name, text in files.items() if name not in SYSTEM} == {
        "policies/hello/domains/hello.conf": "<kernel> nix:/hello/bin/hello\n",
        "policies/hello/state.conf": "enforce\n",
        "policies/nginx/domains/nginx.conf": "<kernel> nix:/nginx/bin/nginx\nuse_profile 3\nuse_group web\n",
        "policies/nginx/state.conf": "permissive\n",
        "policies/nginx/exceptions/nginx.conf": "initialize_domain nix:/nginx/bin/nginx from any\n",
        "policies/nginx/exceptions/nginx.extra.conf": "keep_domain any from <kernel>\n",
        "policies/nginx/modules/web.conf": "file read /srv/\\{\\*\\}/\\*\n",
    }


def test_profiles_quotas_modules_managers_and_exceptions_are_written_as_the_kernel_reads_them(evaluator: Evaluator) -> None:
    files = source(
        evaluator,
        """
        profiles."3" = { comment = "all logged"; default.grant_log = true; max_audit_log = 7; };
        profiles."10" = {
          comment = "but for the network";
          default.mode = "enforcing";
          config.network = { mode = "permissive"; };
          config."file::open" = { mode = "enforcing"; grant_log = true; reject_log = false; };
          max_learning_entry = 0;
        };
        audit.maxRecords = 100;
        learning.maxEntries = 9;
        quotas = { policy = 1048576; query = 0; };
        modules.logs = "file append /var/log/x";
        moduleNumbers = { logs = 20; other = 3; };
        exceptionPolicy = "path_group a /b";
        managers = [ "<kernel> nix:/tomoyo/bin/tomoyo" "/usr/sbin/tomoyo-editpolicy" ];
        """,
    )
    assert files["system/profile.conf"] == PROFILES.replace("4096", "100").replace("2048", "9").replace(
        "3-COMMENT=enforce\n3-PREFERENCE={ max_audit_log=100", "3-COMMENT=all logged\n3-PREFERENCE={ max_audit_log=7"
    ).replace("mode=enforcing grant_log=no", "mode=enforcing grant_log=yes").replace(
        "2-COMMENT",
        "10-COMMENT=but for the network\n10-PREFERENCE={ max_audit_log=100 max_learning_entry=0 }\n"
        "10-CONFIG={ mode=enforcing grant_log=no reject_log=yes }\n"
        "10-CONFIG::file::open={ mode=enforcing grant_log=yes reject_log=no }\n"
        "10-CONFIG::network={ mode=permissive grant_log=no reject_log=yes }\n2-COMMENT",
    )
    assert files["system/stat.conf"] == "Memory used by policy: 1048576\nMemory used by query message: 0\n"
    assert files["system/module-numbers.conf"] == "logs 20\nother 3\n"
    assert files["system/modules/logs.conf"] == "file append /var/log/x\n"
    assert files["system/exceptions/system.conf"] == "path_group a /b\n"
    assert files["system/manager.conf"] == "<kernel> nix:/tomoyo/bin/tomoyo\n/usr/sbin/tomoyo-editpolicy\n"


def test_what_several_configurations_say_comes_together(evaluator: Evaluator) -> None:
    files = source(
        evaluator,
        """
        exceptionPolicy = lib.mkMerge [ "path_group a /1" (lib.mkBefore "path_group a /0") (lib.mkIf false "path_group a /2") ];
        policies = lib.mkMerge [ { hello.text = "<kernel> nix:/hello/bin/hello"; } { hello.state = "learn"; } ];
        """,
    )
    assert files["system/exceptions/system.conf"] == "path_group a /0\npath_group a /1\n"
    assert files["policies/hello/domains/hello.conf"] == "<kernel> nix:/hello/bin/hello\n"
    assert files["policies/hello/state.conf"] == "learn\n"
