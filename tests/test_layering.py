"""The order of the rooms: each imports only what stands before it, by its door."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from itertools import chain
from pathlib import Path

import pytest

ROOMS = (
    "errors",
    "interruption",
    "tables",
    "calibration",
    "scan",
    "computing",
    "passes",
    "scratch",
    "compiling",
    "sums",
    "solving",
    "formats",
    "surveying",
    "averaging",
    "segmentation",
    "streaming",
    "crystallography",
    "series",
    "results",
    "reporting",
    "recipe",
    "inputs",
    "characterising",
    "exporting",
    "journal",
    "pipeline",
    "series_pipeline",
    "demonstration",
    "console",
    "cli",
    "__main__",
)
NESTED = {
    "segmentation": (
        ("constants", "parameters"),
        ("domains", "features", "similarity"),
        ("published", "noise_aware"),
        ("segmenting",),
    )
}
"""Rooms in rooms, stage after stage: those of one stage do not need each other."""
NOT_ROOMS = {"__init__"}  # gathers the public names from everywhere
MOST_LINES = 400
SLOW_LIBRARIES = {"numba", "matplotlib", "scipy", "h5py", "pandas", "zarr", "dask", "skimage", "rsciio", "numpy"}


def package_folder() -> Path:
    spec = find_spec("clustem")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent


PACKAGE = package_folder()
MODULES = sorted(path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py"))


def room_of(module: str) -> str:
    return module.removesuffix(".py").split("/")[0]


IN_NESTED = [module for module in MODULES if room_of(module) in NESTED and module.split("/")[1] != "__init__.py"]


def file_of(name: str) -> str | None:
    """Return the file of a module of the package by its full name, None if it is none."""
    package, *parts = name.split(".")
    files = [f"{'/'.join(parts)}.py", "/".join([*parts, "__init__.py"])] if package == "clustem" else []
    return next((file for file in files if file in MODULES), None)


def imported(tree: ast.AST, module: str) -> Iterator[str]:
    """Yield the full names of all imported modules, also those inside functions."""
    package = ["clustem", *module.split("/")[:-1]]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) + 1 - node.level] if node.level else []
            name = ".".join([*base, *([node.module] if node.module else [])])
            for full in (f"{name}.{alias.name}" for alias in node.names):
                yield full if name == "clustem" or file_of(full) else name


def rooms_imported(source: str, module: str) -> set[str]:
    names = imported(ast.parse(source), module)
    return {name.split(".")[1] if "." in name else "__init__" for name in names if name.split(".")[0] == "clustem"}


def nested_imported(source: str, module: str) -> set[str]:
    """Return the rooms inside of the module's own room that it imports; "__init__" is the door of its own room."""
    names = [name.split(".") for name in imported(ast.parse(source), module)]
    return {name[2] if len(name) > 2 else "__init__" for name in names if name[:2] == ["clustem", room_of(module)]}


def imported_past_doors(source: str, module: str) -> set[str]:
    """Return what is imported of rooms that the module is not in, other than the rooms themselves."""
    files = {name: file_of(name) for name in imported(ast.parse(source), module)}
    return {
        name
        for name, file in files.items()
        if file and Path(file).name != "__init__.py" and Path(file).parent not in Path(module).parents
    }


def is_private(name: str) -> bool:
    return name.split(".")[-1].startswith("_")


def read(module: str) -> str:
    return (PACKAGE / module).read_text(encoding="utf-8")


def test_every_module_belongs_to_a_room() -> None:
    assert {room_of(module) for module in MODULES} == {*ROOMS, *NOT_ROOMS}


@pytest.mark.parametrize(
    ("source", "rooms"),
    [
        ("from clustem.scan import Scan", {"scan"}),
        ("def f():\n    import clustem.cli", {"cli"}),
        ("from clustem import formats", {"formats"}),
        ("from . import raw", {"formats"}),
        ("from ..scan import Scan", {"scan"}),
        ("from .. import scan", {"scan"}),
        ("import clustem", {"__init__"}),
        ("import clustering, numpy", set()),
    ],
)
def test_imports_are_recognised(source: str, rooms: set[str]) -> None:
    assert rooms_imported(source, "formats/opening.py") == rooms


@pytest.mark.parametrize("module", [module for module in MODULES if room_of(module) not in NOT_ROOMS])
def test_a_room_imports_only_what_stands_before_it(module: str) -> None:
    place = ROOMS.index(room_of(module))
    allowed = {*ROOMS[: place + 1]} | (NOT_ROOMS if room_of(module) == "cli" else set())
    assert rooms_imported(read(module), module) <= allowed


@pytest.mark.parametrize("room", NESTED)
def test_every_module_of_a_room_belongs_to_a_nested_room(room: str) -> None:
    inside = {module.split("/", 1)[1] for module in MODULES if room_of(module) == room}
    assert {room_of(module) for module in inside} == {*chain(*NESTED[room]), *NOT_ROOMS}


@pytest.mark.parametrize("module", IN_NESTED)
def test_a_nested_room_imports_only_stages_before_its_own(module: str) -> None:
    room, inside = module.split("/", 1)
    own, stages = room_of(inside), NESTED[room]
    stage = next(n for n, rooms in enumerate(stages) if own in rooms)
    assert nested_imported(read(module), module) <= {own, *chain(*stages[:stage])}


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("from clustem.segmentation.features import Features", set()),
        ("from clustem.segmentation.parameters import Border", set()),
        ("from clustem.segmentation.domains.tree import MergeTree", set()),
        ("from clustem.segmentation.features.basis import Basis", {"clustem.segmentation.features.basis"}),
        ("from clustem.segmentation.features import basis", {"clustem.segmentation.features.basis"}),
        ("import clustem.surveying._kernels", {"clustem.surveying._kernels"}),
    ],
)
def test_imports_past_doors_are_recognised(source: str, names: set[str]) -> None:
    assert imported_past_doors(source, "segmentation/domains/record.py") == names


@pytest.mark.parametrize("module", MODULES)
def test_nothing_private_or_nested_is_imported_past_its_door(module: str) -> None:
    past = imported_past_doors(read(module), module)
    assert not {name for name in past if is_private(name) or name.split(".")[1] in NESTED}


@pytest.mark.parametrize("module", MODULES)
def test_a_module_is_short_described_and_finished(module: str) -> None:
    source = read(module)
    tree = ast.parse(source)
    assert len(source.splitlines()) <= MOST_LINES
    assert ast.get_docstring(tree)
    printing = [n.lineno for n in ast.walk(tree) if isinstance(n, ast.Name) and n.id == "print"]
    assert not printing, f"print in lines {printing}"
    assert not re.search(r"\b(TODO|FIXME|XXX)\b", source)


def test_importing_the_package_loads_no_slow_library() -> None:
    code = "import sys, clustem; print(*sorted({name.split('.')[0] for name in sys.modules}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "clustem" in loaded
    assert not loaded & SLOW_LIBRARIES
