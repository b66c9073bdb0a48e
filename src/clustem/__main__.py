"""The entry of the command line; ready for an interruption before anything else is loaded."""

from __future__ import annotations

import os
import sys

from clustem.interruption import interrupted, listen, stop_listening


def main() -> None:
    """Run the command line. Exit codes: 0 done, 2 the user's input, 130 interrupted, 1 anything else."""
    try:
        listen()
        from clustem.cli import app

        app()
    except SystemExit as ending:
        if ending.code and interrupted():
            _end_interrupted()
        raise
    except (KeyboardInterrupt, Exception):
        if interrupted():
            _end_interrupted()
        raise
    finally:
        stop_listening()  # what is left is tidying up


def _end_interrupted() -> None:
    """End with code 130. By sys.exit, Python ends by the signal if the interruption once went through an exec."""
    stop_listening()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(130)


if __name__ == "__main__":
    main()
