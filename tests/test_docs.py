"""The documentation: its code runs, its links lead somewhere, and what it lists is what there is."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

import clustem
from clustem.results import CONVENTIONS

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
COMMANDS = ("python -m pip install . && clustem demo", 'python -m pip install ".[test]" && python -m pytest')
CODE = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def anchor(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


WITH_CODE = [page for page in PAGES if CODE.search(page.read_text(encoding="utf-8"))]


@pytest.mark.parametrize("page", WITH_CODE, ids=name_of)
def test_code_blocks_run(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """They raise nothing, print something where they say so and nothing else, and complain of nothing."""
    monkeypatch.chdir(tmp_path)
    source = page.read_text(encoding="utf-8")
    namespace: dict[str, object] = {"__name__": "__main__"}
    for block in CODE.finditer(source):
        line = source.count("\n", 0, block.start(1))
        exec(compile("\n" * line + block.group(1), str(page), "exec"), namespace)
        shown = capsys.readouterr()
        assert bool(shown.out.strip()) == ("print(" in block.group(1)), f"{name_of(page)}:{line + 1}"
        assert shown.err == "", f"{name_of(page)}:{line + 1}"


def test_the_main_pages_have_code() -> None:
    assert {name_of(page) for page in WITH_CODE} >= {"README.md", "docs/guide.md", "docs/published.md"}


@pytest.mark.parametrize("command", COMMANDS)
def test_readme_gives_the_two_commands(command: str) -> None:
    assert command in text("README.md").splitlines()


def test_api_lists_exactly_the_public_names() -> None:
    listed = re.findall(r"^- `(\w+)`: \S", text("docs/api.md"), re.MULTILINE)
    assert sorted(listed) == clustem.__all__


def test_conventions_page_quotes_every_convention() -> None:
    page = " ".join(text("docs/conventions.md").split())
    assert [sentence for sentence in CONVENTIONS if sentence not in page] == []


def test_versions_agree() -> None:
    version = tomllib.loads(text("pyproject.toml"))["project"]["version"]
    assert re.search(r"^version: \"?([\w.]+)\"?$", text("CITATION.cff"), re.MULTILINE).group(1) == version  # type: ignore[union-attr]
    assert re.search(r"^## ([\w.]+)", text("CHANGELOG.md"), re.MULTILINE).group(1) == version  # type: ignore[union-attr]


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    prose = FENCED.sub("", page.read_text(encoding="utf-8"))
    for target in LINK.findall(prose):
        if target.startswith(("https://", "mailto:")):
            continue
        path, _, fragment = target.partition("#")
        aim = (page.parent / path).resolve() if path else page
        assert aim.exists(), f"{target} does not exist"
        if fragment:
            assert fragment in {anchor(heading) for heading in HEADING.findall(aim.read_text(encoding="utf-8"))}


def test_pages_have_links_at_all() -> None:
    assert len(LINK.findall(FENCED.sub("", text("README.md")))) >= 5
