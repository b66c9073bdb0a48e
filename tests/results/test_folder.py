import errno
import os
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile

from clustem.errors import InputError, OutputError
from clustem.results import check_output, whole_folder, write_tables


def test_folder_appears_whole(tmp_path):
    target = tmp_path / "new" / "out"
    with whole_folder(target, force=False) as folder:
        (folder / "a.txt").write_text("a")
        assert not target.exists()
    assert [path.name for path in target.iterdir()] == ["a.txt"]
    assert [path.name for path in target.parent.iterdir()] == ["out"]


@pytest.mark.parametrize("error", [KeyboardInterrupt(), ValueError("x"), InputError("x"), SystemExit(1)])
def test_nothing_is_left_after_an_error(tmp_path, error):
    def write():
        with whole_folder(tmp_path / "out", force=False) as folder:
            (folder / "a.txt").write_text("a")
            raise error

    with pytest.raises(type(error)):
        write()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "error", [OSError(errno.ENOSPC, "No space left on device"), OSError("346275 requested and 75440 written")]
)
def test_full_disk_is_named(tmp_path, error):
    with pytest.raises(OutputError, match="the disk is full"), whole_folder(tmp_path / "out", force=False):
        raise error
    assert list(tmp_path.iterdir()) == []


def test_force_replaces_results_only(tmp_path):
    target = tmp_path / "out"
    target.mkdir()
    (target / "results.h5").write_text("old")
    check_output(target, force=True)
    with whole_folder(target, force=True) as folder:
        (folder / "new.txt").write_text("new")
        assert (target / "results.h5").exists()
    assert [path.name for path in target.iterdir()] == ["new.txt"]
    with pytest.raises(OutputError, match="not a results folder"):
        check_output(target, force=True)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_failed_replacement_keeps_the_old_folder(tmp_path):
    target = tmp_path / "out"
    target.mkdir()
    (target / "results.h5").write_text("old")
    with pytest.raises(KeyError), whole_folder(target, force=True):
        raise KeyError("x")
    assert (target / "results.h5").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_interrupted_tidying_leaves_no_hidden_folder(tmp_path, monkeypatch):
    target = tmp_path / "out"
    target.mkdir()
    (target / "results.h5").write_text("old")
    remove = shutil.rmtree
    interruptions = [True]

    def interrupted(folder, **options):
        if str(folder).endswith(".replaced") and interruptions:
            interruptions.pop()
            raise KeyboardInterrupt
        remove(folder, **options)

    monkeypatch.setattr("shutil.rmtree", interrupted)
    with pytest.raises(KeyboardInterrupt), whole_folder(target, force=True) as folder:
        (folder / "results.h5").write_text("new")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("name", ["a" * 250, "a" * 300, "a\0b"])
def test_names_that_cannot_be_are_refused_at_once(tmp_path, name):
    with pytest.raises(OutputError, match="cannot be made"):
        check_output(tmp_path / name, force=False)


def test_refusals(tmp_path):
    target = tmp_path / "out"
    target.mkdir()
    with pytest.raises(OutputError, match="exists"):
        check_output(target, force=False)
    with pytest.raises(OutputError, match="name of a new folder"):
        check_output(Path(), force=False)
    (target / "results.h5").touch()
    (target / "scan.npy").touch()
    with pytest.raises(OutputError, match=r"holds the scan scan\.npy"):
        check_output(target, force=True, source=target / "scan.npy")
    with pytest.raises(OutputError, match="not a folder that can be written"):
        check_output(target / "scan.npy" / "out", force=False)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="the superuser may write anywhere")
def test_unwritable_parent(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(OutputError, match="can be written"):
        check_output(tmp_path / "out", force=False)


def test_tables(demo_results, tmp_path):
    write_tables(demo_results, tmp_path)
    table = pd.read_csv(tmp_path / "domains.csv")
    assert table["positions"].sum() == demo_results.domains.sizes.sum()
    np.testing.assert_allclose(table["confidence"], demo_results.domains.confidence, rtol=1e-5)
    with tifffile.TiffFile(tmp_path / "labels.tif") as file:
        page = file.pages[0]
        np.testing.assert_array_equal(page.asarray(), demo_results.domains.labels)
        assert page.asarray().dtype == np.uint16
        assert page.tags["XResolution"].value == (5, 2), "positions per nm"
        assert file.imagej_metadata["unit"] == "nm"
