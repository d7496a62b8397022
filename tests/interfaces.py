"""The interfaces of policy files, each with what parses and writes it, and what kernels printed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import tomoyo
from tomoyo.model.kernel_versions import ASKED, KernelVersion

PARSE: dict[str, Callable[..., Any]] = {
    "domain_policy": tomoyo.parse_domain_policy,
    "exception_policy": tomoyo.parse_exception_policy,
    "profile": tomoyo.parse_profile,
    "manager": tomoyo.parse_manager,
    "stat": tomoyo.parse_stat,
}
WRITE: dict[str, Callable[..., str]] = {
    "domain_policy": tomoyo.format_domain_policy,
    "exception_policy": tomoyo.format_exception_policy,
    "profile": tomoyo.format_profile,
    "manager": tomoyo.format_manager,
    "stat": tomoyo.format_stat,
}

CASES = Path(__file__).parent / "data" / "kernel"


def printed(case: Path, version: KernelVersion) -> Path:
    """The file with what the kernel of VERSION printed after CASE, a file `INTERFACE/NAME.in`, was written to it.

    That is `NAME.out` for all kernels, but for those from some version on that have a `NAME.VERSION.out` of their own.
    """
    own = [case.with_suffix(f".{asked}.out") for asked in ASKED if asked <= version]
    return next((file for file in reversed(own) if file.exists()), case.with_suffix(".out"))
