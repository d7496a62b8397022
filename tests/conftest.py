"""What every test needs: properties repeat from a printed seed, slow machines are no failures, and files are nobody else's."""

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

# What a group may write to is no policy set, and in some systems that is what a new file is.
os.umask(0o022)
