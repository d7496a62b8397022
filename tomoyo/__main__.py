"""``python3 -m tomoyo``, and what a zipapp runs."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn


def main() -> NoReturn:
    """Run the command and end the program with its exit code, which a zipapp, for one, would lose."""
    try:
        from .cli import main as run

        _leave(run())
    except KeyboardInterrupt:  # before the command has begun
        sys.exit(130)


def _leave(status: int) -> NoReturn:
    """End at once: what Python tidies up as it ends takes as long as a short command, and seconds after a long one.

    Nothing of ours waits for that.  Somebody who measures or traces the program does.
    """
    try:
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()
    except (OSError, ValueError):  # of which the command has told
        sys.exit(status)
    if sys.getprofile() is None and sys.gettrace() is None and not sys.flags.inspect:
        os._exit(status)
    sys.exit(status)


if __name__ == "__main__":
    main()
