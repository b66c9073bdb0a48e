import numpy as np
import pytest

from clustem.calibration import Calibration
from clustem.errors import InputError
from clustem.scan import Scan

COUNTS = np.arange(3 * 4 * 5 * 6, dtype=np.uint16).reshape(3, 4, 5, 6)


def scan_of(data, **fields):
    return Scan(**{"shape": data.shape, "dtype": data.dtype, "reader": lambda a, b: data[a:b], **fields})


def test_rows_patterns_and_the_whole():
    scan = scan_of(COUNTS)
    assert (scan.scan_shape, scan.detector_shape, scan.nbytes) == ((3, 4), (5, 6), COUNTS.nbytes)
    assert np.array_equal(scan.read(1, 3), COUNTS[1:3])
    assert np.array_equal(scan.pattern(2, 1), COUNTS[2, 1])
    assert np.array_equal(np.asarray(scan), COUNTS)
    assert np.asarray(scan, dtype=np.float32).dtype == np.float32


@pytest.mark.parametrize("narrow", [None, lambda a, b: (lambda start, stop: COUNTS[start:stop, a:b], None)])
def test_columns_alone(narrow):
    mask = np.ones((5, 6), bool)
    mask[2] = False
    scan = scan_of(COUNTS, narrow=narrow, detector_mask=mask)
    assert scan.with_columns(0, 4) is scan
    part = scan.with_columns(1, 4)
    assert part.shape == (3, 3, 5, 6)
    assert np.array_equal(part, (COUNTS * mask)[:, 1:])
    assert np.array_equal(part.with_columns(1, 2).read(1, 3), (COUNTS * mask)[1:, 2:3])
    for first, last in [(-1, 2), (2, 2), (0, 5)]:
        with pytest.raises(InputError, match=rf"array: scan columns {first}:{last} are outside 0:4"):
            scan.with_columns(first, last)


@pytest.mark.parametrize(("start", "stop"), [(-1, 1), (0, 4), (2, 2), (2, 1)])
def test_rows_outside_of_the_scan(start, stop):
    with pytest.raises(InputError, match=rf"array: scan rows {start}:{stop} are outside 0:3"):
        scan_of(COUNTS).read(start, stop)


@pytest.mark.parametrize(("y", "x"), [(3, 0), (0, 4), (-1, 0)])
def test_positions_outside_of_the_scan(y, x):
    with pytest.raises(InputError, match=rf"position \({y}, {x}\) is outside the scan \(3, 4\)"):
        scan_of(COUNTS).pattern(y, x)


def test_a_failing_reader_names_the_rows_and_the_cause():
    def reader(start, stop):
        raise OSError("checksum does not fit")

    with pytest.raises(
        InputError, match=r"film: scan rows 1 to 1 cannot be read.*checksum does not fit.*copy it again"
    ):
        scan_of(COUNTS, reader=reader, name="film").read(1, 2)


@pytest.mark.parametrize("error", [InputError("own message"), MemoryError("too much")])
def test_errors_that_say_enough_pass_through(error):
    def reader(start, stop):
        raise error

    with pytest.raises(type(error), match=str(error)):
        scan_of(COUNTS, reader=reader).read(0, 1)


def test_a_reader_that_returns_too_few_rows():
    with pytest.raises(InputError, match=r"scan rows 0:2 have shape \(1, 4, 5, 6\), expected \(2, 4, 5, 6\)"):
        scan_of(COUNTS, reader=lambda a, b: COUNTS[a : b - 1]).read(0, 2)


def test_masked_pixels_read_as_zero():
    mask = np.ones((5, 6), bool)
    mask[1, 2] = False
    data = COUNTS + 1.0
    data[..., 1, 2] = np.nan
    read = scan_of(data, detector_mask=mask).read(0, 3)
    assert not read[..., 1, 2].any()
    assert np.array_equal(read[..., mask], (COUNTS + 1.0)[..., mask])
    assert read.flags.c_contiguous
    with pytest.raises(InputError, match=r"expected a detector mask of shape \(5, 6\), got \(6, 5\)"):
        scan_of(COUNTS, detector_mask=mask.T)


@pytest.mark.parametrize(
    ("stored", "served"),
    [
        (bool, np.uint8),
        (">u2", np.uint16),
        (np.float16, np.float32),
        (">f4", np.float32),
        (np.longdouble, np.float64),
        (np.int8, np.int8),
        (np.uint64, np.uint64),
    ],
)
def test_values_are_served_in_native_types(stored, served):
    data = (COUNTS % 2).astype(stored)
    scan = scan_of(data)
    assert scan.dtype == served
    read = scan.read(0, 2)
    assert read.dtype == served
    assert read.dtype.isnative
    assert np.array_equal(read, COUNTS[:2] % 2)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (np.zeros((3, 4, 5)), "expected 4-D data"),
        (np.zeros((3, 0, 5, 6)), "without empty axes"),
        (np.zeros((3, 4, 1, 6)), "patterns of at least 2×2 pixels"),
        (np.zeros((3, 4, 5, 6), complex), "expected integer or real values.*abs"),
        (np.zeros((3, 4, 5, 6), "datetime64[s]"), "expected integer or real values"),
    ],
)
def test_what_is_no_scan(data, message):
    with pytest.raises(InputError, match=message):
        scan_of(data)


def test_calibration_is_replaced_field_by_field():
    scan = scan_of(COUNTS, calibration=Calibration(energy_keV=200, scan_step_nm=1))
    changed = scan.with_calibration(Calibration(energy_keV=300))
    assert changed.calibration == Calibration(energy_keV=300, scan_step_nm=1)
    assert scan.calibration.energy_keV == 200
    assert scan.with_calibration(None).calibration == scan.calibration


def test_the_table_of_a_scan_says_what_was_assumed():
    text = repr(scan_of(COUNTS, name="film", assumptions=("Rows are scan_y.",)))
    assert text.startswith("Scan film\n")
    assert "Rows are scan_y." in text
    assert "uint16" in text
