"""The entry of the command line; ready for an interruption before anything else is loaded."""

from __future__ import annotations

import signal
import sys


def main() -> None:
    """Run the command line. Exit codes: 0 done, 2 the user's input, 130 interrupted, 1 anything else."""
    try:
        if hasattr(signal, "SIGTERM"):
            signal.signal(signal.SIGTERM, signal.default_int_handler)
        from clustem.cli import app

        app()
    except KeyboardInterrupt:
        sys.exit(130)
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # what is left is tidying up


if __name__ == "__main__":
    main()
