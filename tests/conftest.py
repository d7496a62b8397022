"""What every test needs: properties repeat from a printed seed, and slow machines are no failures."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

settings.register_profile(
    "tomoyo",
    deadline=None,
    print_blob=True,
    max_examples=int(os.environ.get("TOMOYO_TEST_EXAMPLES", "200")),
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("tomoyo")
