"""Damaged files give a right result or an InputError; validation/fuzz_formats.py does the same for half an hour."""

import shutil

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clustem.errors import InputError
from clustem.formats import open_scan

from .samples import write_binary
from .samples_hdf5 import write_hierarchical

LARGEST = 2**24  # bytes that the reading of a damaged file may give


@pytest.fixture(scope="module")
def samples(tmp_path_factory):
    folder = tmp_path_factory.mktemp("samples")
    return write_binary(folder / "binary") + write_hierarchical(folder / "hierarchical")


@pytest.fixture(scope="module")
def scratch(tmp_path_factory):
    return tmp_path_factory.mktemp("scratch")


def refusal(path):
    """Open a file and read it, if it is not too large; return the message if it was refused."""
    try:
        scan = open_scan(path)
        values = np.asarray(scan) if scan.nbytes <= LARGEST else None
    except InputError as error:
        return str(error)
    assert values is None or (values.shape, values.dtype) == (scan.shape, scan.dtype)
    return None


def check(path):
    """A file opens, or is refused with a message that names it or one that belongs to it."""
    message = refusal(path)
    assert message is None or path.name.split("_")[0].split(".")[0] in message


def test_the_samples_open(samples):
    for path in samples:
        scan = open_scan(path)
        whole = np.asarray(scan)
        assert whole.any(), path.name
        assert scan.narrow is not None, path.name
        assert np.array_equal(scan.with_columns(1, 2).read(1, 2), whole[1:2, 1:2]), path.name
        buffer = np.ones_like(whole)[:2, :1].copy()
        assert np.array_equal(scan.with_columns(1, 2).read(0, 2, buffer=buffer), whole[:2, 1:2]), path.name


@given(st.data())
@settings(
    max_examples=150, derandomize=True, deadline=10_000, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_damaged_files(samples, scratch, data):
    path = data.draw(st.sampled_from([sample for sample in samples if sample.is_file()]))
    content = bytearray(path.read_bytes())
    place = data.draw(st.integers(0, min(len(content) - 1, 4000)) | st.integers(0, len(content) - 1))
    match data.draw(st.sampled_from(["flip", "number", "cut", "lose", "twice"])):
        case "flip":
            content[place] ^= data.draw(st.integers(1, 255))
        case "number":
            content[place : place + 4] = data.draw(st.sampled_from([b"\0" * 4, b"\xff" * 4, b"\x7f\xff\xff\xff"]))
        case "cut":
            del content[place:]
        case "lose":
            del content[place : place + data.draw(st.integers(1, 64))]
        case _:
            content[place:place] = content[place : place + data.draw(st.integers(1, 64))]
    shutil.rmtree(scratch)
    shutil.copytree(path.parent, scratch)
    (scratch / path.name).write_bytes(content)
    check(scratch / path.name)


@given(
    st.binary(max_size=300), st.sampled_from([".blo", ".mrc", ".dm4", ".ser", ".xml", ".app5", ".mib", ".npz", ".h5"])
)
@settings(
    max_examples=60, derandomize=True, deadline=10_000, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_anything_named_like_a_format(scratch, content, ending):
    scratch.mkdir(exist_ok=True)
    (scratch / f"any{ending}").write_bytes(content)
    check(scratch / f"any{ending}")
