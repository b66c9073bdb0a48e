"""Scores as Markdown tables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from methods import DEFAULT, METHODS, NAMES, ORACLE
from rows import Row, mean_scores


def distinct(values: Iterable[str]) -> list[str]:
    """Return the values without repetitions, in the order of their first appearance."""
    return list(dict.fromkeys(values))


def table(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table."""
    rows = [head, ["---"] * len(head), *lines]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def cell(rows: list[Row]) -> str:
    """Return mean scores as text."""
    return " / ".join(f"{value:.3f}" for value in mean_scores(rows)) if rows else ""


def methods_table(rows: list[Row]) -> str:
    """Return the scores of all methods, a line per scene and dose; means over seeds and frames."""
    rows = [row for row in rows if not row.recording]
    used = [method for method in METHODS if any(row.method == method for row in rows)]
    lines = (
        [scene, f"{dose:g}", *(cell([row for row in group if row.method == method]) for method in used)]
        for scene, dose, group in by_scene_and_dose(rows)
    )
    return table(["scene", "electrons per pattern", *(NAMES[method] for method in used)], lines)


def frames_table(rows: list[Row]) -> str:
    """Return the scores of the default for each frame of the series alone; "" if there is none."""
    rows = [row for row in rows if row.method == DEFAULT and not row.recording]
    series = [
        scene for scene in distinct(row.scene for row in rows) if len({r.frame for r in rows if r.scene == scene}) > 1
    ]
    rows = [row for row in rows if row.scene in series]
    frames = sorted({row.frame for row in rows})
    lines = (
        [scene, f"{dose:g}", *(cell([row for row in group if row.frame == frame]) for frame in frames)]
        for scene, dose, group in by_scene_and_dose(rows)
    )
    return table(["scene", "electrons per pattern", *frames], lines) if rows else ""


def thresholds_table(rows: list[Row]) -> str:
    """Return the settings that are best inside domains, for the first seed and frame; "" without an oracle."""
    rows = [row for row in rows if row.method == ORACLE and not row.recording and row.seed == 0]
    groups = {(scene, dose): min(group, key=lambda row: row.frame) for scene, dose, group in by_scene_and_dose(rows)}
    doses = sorted({row.dose for row in rows})
    lines = (
        [scene, *(groups[scene, dose].setting if (scene, dose) in groups else "" for dose in doses)]
        for scene in distinct(row.scene for row in rows)
    )
    return table(["scene", *(f"{dose:g}" for dose in doses)], lines) if rows else ""


def recordings_table(rows: list[Row]) -> str:
    """Return the scores of the default after each recording; "" if there is none."""
    used = distinct(row.recording for row in rows if row.recording)
    scenes = {(row.scene, row.dose) for row in rows if row.recording}
    rows = [row for row in rows if row.method == DEFAULT and (row.scene, row.dose) in scenes]
    groups = list(by_scene_and_dose(rows))
    lines = (
        [name or "as it is", *(cell([row for row in group if row.recording == name]) for _, _, group in groups)]
        for name in ["", *used]
    )
    return table(["recording", *(f"{scene}, {dose:g}" for scene, dose, _ in groups)], lines) if used else ""


def by_scene_and_dose(rows: list[Row]) -> Iterator[tuple[str, float, list[Row]]]:
    """Yield the rows of each scene, in the order of their appearance, and each dose, rising."""
    for scene in distinct(row.scene for row in rows):
        for dose in sorted({row.dose for row in rows if row.scene == scene}):
            yield scene, dose, [row for row in rows if (row.scene, row.dose) == (scene, dose)]


SECTIONS = (
    ("Adjusted Rand index inside domains / over all positions / matched F1", methods_table),
    ("The default, each frame alone", frames_table),
    ("Thresholds, blur and mask that are best inside domains (first seed)", thresholds_table),
    ("The default after other recordings of the same scan", recordings_table),
)
BEGIN, END = "<!-- scores -->\n", "<!-- end of scores -->\n"


def all_tables(rows: list[Row]) -> str:
    """Return every table that has lines, each below its title."""
    texts = ((title, section(rows)) for title, section in SECTIONS)
    return "\n".join(f"{title}:\n\n{text}\n" for title, text in texts if text)


def write_tables(rows: list[Row], page: Path) -> None:
    """Put the tables between the two marks of a page."""
    before, _, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    _, mark, after = rest.partition(END)
    if not mark:
        raise SystemExit(f"{page}: expected {BEGIN.strip()} and {END.strip()}, each in a line of its own")
    page.write_text(f"{before}{BEGIN}\n{all_tables(rows)}\n{END}{after}", encoding="utf-8")
