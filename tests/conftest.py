"""What every test needs: chance that repeats (see `seeds`), no deadline, and files that are nobody else's."""

from __future__ import annotations

import os
import random
from collections.abc import Generator

import pytest
from hypothesis import HealthCheck, settings

from .seeds import CHOSEN, SEED, rounds

settings.register_profile(
    "tomoyo",
    deadline=None,
    print_blob=True,
    derandomize=not CHOSEN,
    database=None,
    max_examples=rounds(200),
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("tomoyo")

# What a group may write to is no policy set, and in some systems that is what a new file is.
os.umask(0o022)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Let Hypothesis follow a seed that was chosen, unless it was given one of its own."""
    if CHOSEN and config.getoption("hypothesis_seed", None) is None:
        config.option.hypothesis_seed = str(SEED)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Virtual machines first: they take longest, and what is short then fills what is left."""
    items.sort(key=lambda item: "/vm/" not in item.path.as_posix())


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Tell with each failure how to repeat it."""
    report = yield
    if report.failed:
        report.sections.append(("chance", f"TOMOYO_TEST_SEED={SEED} repeats this run"))
    return report


@pytest.fixture(scope="session")
def seed() -> int:
    """Where chance begins."""
    return SEED


@pytest.fixture
def draw(seed: int) -> random.Random:
    """Random choices, the same in each run."""
    return random.Random(seed)
