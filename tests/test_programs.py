"""The programs in docs/programs: a type checker accepts them as programs outside, and they do what they say."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import tomoyo

from .sample import SAMPLE
from .test_values import EXCEPTIONS, POLICY, PROFILES, RECORD

ROOT = Path(tomoyo.__file__).parents[1]
PROGRAMS = sorted((ROOT / "docs" / "programs").glob("*.py"))


def run(name: str, *arguments: str | Path, stdin: str = "") -> tuple[int, str, str]:
    command = [sys.executable, ROOT / "docs" / "programs" / f"{name}.py", *arguments]
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False, env={"PYTHONPATH": str(ROOT)})
    return done.returncode, done.stdout, done.stderr


def test_a_type_checker_accepts_them(tmp_path: Path) -> None:
    pytest.importorskip("mypy")
    assert len(PROGRAMS) == 5
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--cache-dir", tmp_path, *PROGRAMS],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout


def pyright(*arguments: str | Path) -> tuple[int, str]:
    """What pyright says, without asking whether it is the newest; the package and its tests have no settings for it."""
    command = [sys.executable, "-m", "pyright", "--pythonpath", sys.executable, *arguments]
    variables = {**os.environ, "PYTHONPATH": str(ROOT), "PYRIGHT_PYTHON_IGNORE_WARNINGS": "1"}
    done = subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def test_pyright_accepts_them(tmp_path: Path) -> None:
    """In its strict mode, and it refuses one that uses the package otherwise than its types say."""
    pytest.importorskip("pyright")
    (tmp_path / "wrong.py").write_text("import tomoyo\n\ntomoyo.parse_domain_policy(1)\n")
    for name, paths, accepted in (("right", PROGRAMS, True), ("wrong", [tmp_path / "wrong.py"], False)):
        settings = {"typeCheckingMode": "strict", "include": [os.path.relpath(path, tmp_path) for path in paths]}
        (tmp_path / f"{name}.json").write_text(json.dumps({**settings, "extraPaths": [os.path.relpath(ROOT, tmp_path)]}))
        status, output = pyright("--project", tmp_path / f"{name}.json")
        assert (status == 0) is accepted, output
        assert ("reportArgumentType" in output) is not accepted, output


def test_pyright_knows_the_type_of_all_that_is_exported() -> None:
    pytest.importorskip("pyright")
    _, output = pyright("--verifytypes", "tomoyo", "--ignoreexternal")
    assert "Type completeness score: 100%" in output, output


def test_parse_and_query(tmp_path: Path) -> None:
    (tmp_path / "domain_policy.conf").write_text(POLICY)
    assert run("parse_and_query", tmp_path / "domain_policy.conf", "/etc/") == (0, "<kernel> /bin/sh: /etc/\\*\n", "")
    assert run("parse_and_query", tmp_path / "domain_policy.conf", "/srv/") == (0, "", "")
    (tmp_path / "domain_policy.conf").write_text("<kernel>\nfile raed /x\n")
    status, _, error = run("parse_and_query", tmp_path / "domain_policy.conf", "/")
    assert status == 2
    assert error.startswith(f"{tmp_path / 'domain_policy.conf'}:2:")


@pytest.mark.parametrize(
    ("request_text", "status", "answer"),
    [
        ("file read /etc/passwd task.uid=0 path1.type=file", 0, "granted"),
        ("file read /srv/x", 1, "denied"),
        ("file read /etc/passwd", 1, "granted if"),
    ],
)
def test_ask_engine(tmp_path: Path, request_text: str, status: int, answer: str) -> None:
    (tmp_path / "domain_policy.conf").write_text(POLICY)
    assert run("ask_engine", tmp_path / "domain_policy.conf", "<kernel> /bin/sh", request_text) == (status, f"{answer}\n", "")


def test_bind_names() -> None:
    status, bindings, error = run("bind_names", SAMPLE / "policy", SAMPLE / "system" / "registration", SAMPLE / "system")
    assert (status, error) == (0, "")
    assert tomoyo.parse_exception_policy(bindings).namespaces[0].aggregators
    status, _, error = run("bind_names", SAMPLE / "policy", ROOT / "README.md", SAMPLE / "system")
    assert status == 2
    assert "README.md" in error


def test_activate_simulated(tmp_path: Path) -> None:
    given = tomoyo.PolicySet(POLICY, EXCEPTIONS, profile=f"0-CONFIG={{ mode=disabled }}\n{PROFILES}").as_held()
    tomoyo.write_policy_set(given, tmp_path / "old")
    exceptions = given.exception_policy.replace("/bin/a", "/bin/b")
    tomoyo.write_policy_set(tomoyo.PolicySet(given.domain_policy, exceptions, profile=given.profile), tmp_path / "new")
    for directory in (tmp_path, tmp_path / "old", tmp_path / "new"):
        directory.chmod(0o755)
    status, output, error = run("activate_simulated", tmp_path / "old", tmp_path / "new")
    assert (status, error) == (0, "")
    assert output.endswith(
        "2 lines written\nexception_policy: path_group PROGRAMS /bin/b\nexception_policy: delete path_group PROGRAMS /bin/a\n"
    )
    assert run("activate_simulated", tmp_path / "old", tmp_path / "none")[0] == 3


def test_stream_log() -> None:
    status, output, error = run("stream_log", stdin=RECORD * 3 + "no record\n\n" + RECORD.replace("granted=no", "granted=yes"))
    assert (status, output) == (0, "       3 <kernel> /bin/sh\n")
    assert error.startswith("audit:")
