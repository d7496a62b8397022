"""``python3 -m tomoyo``, and what a zipapp runs."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn


def main() -> NoReturn:
    """Run the command and end the program with its exit code, which a zipapp, for one, would lose."""
    try:
        from .cli import main as run

        sys.exit(run())
    except KeyboardInterrupt:  # before the command has begun
        sys.exit(130)


if __name__ == "__main__":
    main()
