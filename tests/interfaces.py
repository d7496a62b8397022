"""The interfaces of policy files, each with what parses and writes it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tomoyo

PARSE: dict[str, Callable[..., Any]] = {
    "domain_policy": tomoyo.parse_domain_policy,
    "exception_policy": tomoyo.parse_exception_policy,
    "profile": tomoyo.parse_profile,
    "manager": tomoyo.parse_manager,
    "stat": tomoyo.parse_stat,
}
WRITE: dict[str, Callable[..., str]] = {
    "domain_policy": tomoyo.write_domain_policy,
    "exception_policy": tomoyo.write_exception_policy,
    "profile": tomoyo.write_profile,
    "manager": tomoyo.write_manager,
    "stat": tomoyo.write_stat,
}
