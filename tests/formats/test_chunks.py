import h5py
import hdf5plugin
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clustem.errors import InputError
from clustem.formats import open_scan
from clustem.formats._kernels import first_damaged

COUNTS = np.random.default_rng(2).poisson(3, (2, 3, 75, 64)).astype(np.uint16)  # of several blocks and a rest


def chunks_of(values, compression):
    """Return the chunks as they are in a file, each with the bytes that it has to give."""
    with h5py.File("memory", "w", driver="core", backing_store=False) as file:
        data = file.create_dataset("a", data=values, chunks=(1, *values.shape[1:]), **compression)
        return [data.id.read_direct_chunk((k, *(0,) * (values.ndim - 1)))[1] for k in range(len(values))]


@given(
    st.sampled_from(["u1", "u2", "u4", "f8"]),
    st.integers(1, 5000),
    st.sampled_from(["lz4", "zstd"]),
    st.sampled_from([0, 8, 64]),
)
@settings(max_examples=60, deadline=None)
def test_whole_chunks_are_sound_and_others_are_not(dtype, size, kind, block):
    values = np.arange(size).astype(dtype)[None]
    (chunk,) = chunks_of(values, hdf5plugin.Bitshuffle(nelems=block, cname=kind))

    def sound(content, size):
        arguments = (np.frombuffer(b"..." + content, np.uint8), np.array([3]), np.array([len(content)]))
        found = first_damaged(*arguments, size, 8 * values.itemsize)
        assert found == first_damaged.py_func(*arguments, size, 8 * values.itemsize)
        return found == -1

    assert sound(chunk, values.nbytes)
    assert not sound(chunk[:-1], values.nbytes)
    assert not sound(chunk + b"\0", values.nbytes)
    assert not sound(chunk, values.nbytes + values.itemsize)
    assert not sound(chunk[:11], values.nbytes)


def test_the_first_of_several_chunks():
    chunks = chunks_of(np.arange(60, dtype="u2").reshape(3, 20), hdf5plugin.Bitshuffle(cname="lz4"))
    content, sizes = np.frombuffer(b"".join(chunks), np.uint8), np.array([len(chunk) for chunk in chunks])
    offsets = np.cumsum(sizes) - sizes
    assert first_damaged(content, offsets, sizes, 40, 16) == -1
    assert first_damaged(content, offsets + np.array([0, 0, 1]), sizes, 40, 16) == 2
    assert first_damaged(content, offsets - np.array([0, 1, 0]), sizes, 40, 16) == 1
    assert first_damaged(content, offsets - np.array([0, 1, 0]), sizes * np.array([1, 0, 1]), 40, 16) == -1


def write(path, **compression):
    with h5py.File(path, "w") as file:
        data = file.create_dataset("a", data=COUNTS, chunks=(1, 2, 75, 64), **compression)
        info = data.id.get_chunk_info_by_coord((1, 0, 0, 0))
    return info.byte_offset


@pytest.mark.parametrize("kind", ["none", "lz4", "zstd"])
def test_bitshuffle_is_read(tmp_path, kind):
    write(tmp_path / "a.h5", **hdf5plugin.Bitshuffle(cname=kind))
    scan = open_scan(tmp_path / "a.h5")
    assert np.array_equal(scan, COUNTS)
    assert np.array_equal(scan.read(1, 2), COUNTS[1:])


@pytest.mark.parametrize("place", [0, 8, 12])
def test_a_damaged_chunk_ends_with_a_message(tmp_path, place):
    path = tmp_path / "a.h5"
    offset = write(path, **hdf5plugin.Bitshuffle(cname="lz4"))
    content = bytearray(path.read_bytes())
    content[offset + place : offset + place + 4] = b"\x7f\xff\xff\xff"
    path.write_bytes(content)
    scan = open_scan(path)
    assert np.array_equal(scan.read(0, 1), COUNTS[:1])
    with pytest.raises(InputError, match=f"scan rows 1 to 1 cannot be read .the chunk at byte {offset} is damaged"):
        scan.read(1, 2)


def test_one_scan_of_a_series_in_bitshuffle(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        series = np.stack([COUNTS, COUNTS + 1])
        file.create_dataset("a", data=series, chunks=(1, 2, 3, 75, 64), **hdf5plugin.Bitshuffle(cname="lz4"))
    scan = open_scan(tmp_path / "a.h5", frame=1)
    assert np.array_equal(scan, COUNTS + 1)
    assert scan.rows_per_chunk == 2


def test_chunks_that_were_never_written_are_zero(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        data = file.create_dataset("a", (2, 2, 8, 8), "u2", chunks=(1, 1, 8, 8), **hdf5plugin.Bitshuffle(cname="lz4"))
        data[0] = 5
    values = np.asarray(open_scan(tmp_path / "a.h5"))
    assert (values[0] == 5).all()
    assert not values[1].any()
