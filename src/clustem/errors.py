"""The errors a user can cause; each message names the argument or file, what was expected, what came and what to do."""

from __future__ import annotations

import errno


class InputError(ValueError):
    """The data or an option given cannot be used. The command line ends with exit code 2 on it."""


class MissingFileError(InputError, FileNotFoundError):
    """A file or folder that was named does not exist."""


class OutputError(InputError, OSError):
    """The results cannot be written where they were asked for."""


def is_full_disk(error: BaseException) -> bool:
    """Return whether an error says that there is no space left to write to."""
    text = str(error)
    short = "requested and" in text and text.endswith("written")  # as NumPy says it
    return getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT) or "No space left" in text or short
