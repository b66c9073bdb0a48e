"""The errors a user can cause; each message names the argument or file, what was expected, what came and what to do."""

from __future__ import annotations


class InputError(ValueError):
    """The data or an option given cannot be used. The command line ends with exit code 2 on it."""


class MissingFileError(InputError, FileNotFoundError):
    """A file or folder that was named does not exist."""


class OutputError(InputError, OSError):
    """The results cannot be written where they were asked for."""
