import gc
import tempfile

import numpy as np
import pytest

from clustem import scratch
from clustem.computing import execution
from clustem.errors import OutputError
from clustem.scratch import scratch_array

_MIB = 2**20


def test_small_arrays_are_in_memory_and_large_ones_in_files(monkeypatch):
    made = []
    temporary = tempfile.TemporaryFile

    def note(**options):
        made.append(options)
        return temporary(**options)

    monkeypatch.setattr(tempfile, "TemporaryFile", note)
    with execution(memory=_MIB):
        small, large = scratch_array((2**15,), np.float32), scratch_array((2**15 + 1,), np.float32)
    assert len(made) == 1
    assert isinstance(small, np.ndarray)
    assert type(large) is np.ndarray
    large[:] = np.arange(2**15 + 1)
    assert large[2**15] == 2**15


@pytest.mark.parametrize("allocates", [True, False])
def test_no_file_is_left(monkeypatch, tmp_path, allocates):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    if not allocates:
        monkeypatch.delattr(scratch.os, "posix_fallocate", raising=False)
    with execution(memory=_MIB):
        array = scratch_array((3, 5, 2**16), np.uint16)
    array[1, 2] = 7
    assert array.sum(dtype=int) == 7 * 2**16, "zeros elsewhere: the file was written or reserved as such"
    if scratch.os.name == "posix":
        assert list(tmp_path.iterdir()) == []
    del array
    gc.collect()
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_told(monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(scratch, "_reserve", full)
    with (
        execution(memory=_MIB),
        pytest.raises(OutputError, match=r"temporary files: 4.19 MB cannot be written to .*No space left.*TMPDIR"),
    ):
        scratch_array((2**20,), np.float32)
