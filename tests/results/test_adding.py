import errno
from pathlib import Path

import pytest

from clustem.errors import OutputError
from clustem.results import added_files, check_new_files


def contents(folder):
    return {path.name: path.read_text() for path in folder.iterdir()}


@pytest.fixture
def target(tmp_path):
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "a.txt").write_text("old")
    (folder / "mine.txt").write_text("mine")
    return folder


def test_a_new_folder_appears_whole(tmp_path):
    with added_files(tmp_path / "new" / "out", force=False) as folder:
        (folder / "a.txt").write_text("a")
        assert not (tmp_path / "new" / "out").exists()
    assert contents(tmp_path / "new" / "out") == {"a.txt": "a"}
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["out"]


def test_what_is_there_stays_unless_forced(target):
    def add(*, force):
        with added_files(target, force=force) as folder:
            (folder / "a.txt").write_text("new")
            (folder / "b.txt").write_text("b")

    with pytest.raises(OutputError, match=r"holds a\.txt; .*--force"):
        add(force=False)
    assert contents(target) == {"a.txt": "old", "mine.txt": "mine"}
    add(force=True)
    assert contents(target) == {"a.txt": "new", "b.txt": "b", "mine.txt": "mine"}
    assert [path.name for path in target.parent.iterdir()] == ["out"]


@pytest.mark.parametrize("error", [KeyboardInterrupt(), ValueError("x"), OSError(errno.ENOSPC, "full")])
def test_an_error_while_writing_changes_nothing(target, error):
    def add():
        with added_files(target, force=True) as folder:
            (folder / "a.txt").write_text("new")
            raise error

    with pytest.raises(OutputError if isinstance(error, OSError) else type(error)):
        add()
    assert contents(target) == {"a.txt": "old", "mine.txt": "mine"}
    assert [path.name for path in target.parent.iterdir()] == ["out"]


def test_an_error_while_moving_puts_everything_back(target, monkeypatch):
    rename = Path.rename

    def failing(self, to):
        if self.name == "b.txt":
            raise OSError("no")
        return rename(self, to)

    monkeypatch.setattr(Path, "rename", failing)

    def add():
        with added_files(target, force=True) as folder:
            (folder / "a.txt").write_text("new")
            (folder / "b.txt").write_text("b")

    with pytest.raises(OutputError, match="nothing was left behind"):
        add()
    assert contents(target) == {"a.txt": "old", "mine.txt": "mine"}
    assert [path.name for path in target.parent.iterdir()] == ["out"]


def test_places_that_cannot_be_written(tmp_path, target):
    check_new_files(tmp_path / "new" / "out", ["a.txt"], force=False)
    check_new_files(target, ["a.txt"], force=True)
    with pytest.raises(OutputError, match="is a file"):
        check_new_files(target / "a.txt", ["b.txt"], force=True)
    with pytest.raises(OutputError, match="cannot be written"):
        check_new_files(target / "a.txt" / "below", ["b.txt"], force=True)
    with pytest.raises(OutputError, match="expected the name of a folder"):
        check_new_files(Path(), ["b.txt"], force=True)
