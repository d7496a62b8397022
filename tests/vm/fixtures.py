"""Fixtures that give a test a kernel, or skip it where none can be had.

A test module imports what it uses: `from .fixtures import kernel, kernel_release`. `TOMOYO_TEST_KERNELS` says which releases
to ask, by default only 6.1: "6.1 6.12 7.2" runs each test on all of them.
"""

from __future__ import annotations

import os

import pytest

from . import kernels
from .kernels import Kernel, Unavailable

RELEASES = tuple(os.environ.get("TOMOYO_TEST_KERNELS", "6.1").split())


@pytest.fixture(scope="session", params=RELEASES)
def kernel_release(request: pytest.FixtureRequest) -> str:
    """One of the releases to ask."""
    return str(request.param)


@pytest.fixture(scope="session")
def kernel(kernel_release: str) -> Kernel:
    """A kernel to boot."""
    return require(kernel_release)


def require(release: str) -> Kernel:
    """The kernel of `release`. Without one the test is skipped, but fails where `CI` is set: there nothing may be skipped."""
    try:
        return kernels.kernel(release)
    except Unavailable as reason:
        if os.environ.get("CI"):
            pytest.fail(str(reason), pytrace=False)
        pytest.skip(str(reason))
