"""Constants of the methods: every number with its unit, its reason, and the range within which nothing changes."""

from __future__ import annotations

from dataclasses import field, fields
from typing import Any


def constant(value: Any, unit: str, what: str, why: str, holds: str) -> Any:
    """Return the field of a frozen record of constants.

    Parameters
    ----------
    value : number
    unit : str
        "1" for what has none.
    what, why : str
        What it is, and why it has this value.
    holds : str
        The range within which results of the validation stay the same.
    """
    return field(default=value, metadata={"unit": unit, "what": what, "why": why, "holds": holds})


def constants_table(*records: Any) -> str:
    """Return a Markdown table of all constants of records."""
    lines = ["| number | what it is | why | range |", "| --- | --- | --- | --- |"]
    for record in records:
        for item in fields(record):
            told, value = item.metadata, getattr(record, item.name)
            unit = "" if told["unit"] == "1" else f" {told['unit']}"
            lines.append(f"| `{item.name}` {value:g}{unit} | {told['what']} | {told['why']} | {told['holds']} |")
    return "\n".join(lines)
