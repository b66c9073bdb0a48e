"""Opening 4D-STEM scans: files of the field's formats and arrays, all as a :class:`clustem.Scan`."""

from clustem.formats.contract import checked_dtype
from clustem.formats.opening import open_scan
from clustem.formats.registry import formats_text

__all__ = ["checked_dtype", "formats_text", "open_scan"]
