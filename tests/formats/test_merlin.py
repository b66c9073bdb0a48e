import numpy as np
import pytest

from clustem.errors import InputError
from clustem.formats import open_scan

FRAMES = np.random.default_rng(0).integers(0, 200, (12, 6, 8)).astype(np.uint8)


def header(number, pixel="U08", size=384, shape=(6, 8), line=4):
    """A frame's header; a new scan line comes a second after the one before it."""
    seconds = number // line + number % line * 0.001
    text = (
        f"MQ1,{number + 1:06},{size:05},01,{shape[1]:04},{shape[0]:04},{pixel},   1x1,01,"
        f"2021-05-07 18:51:{seconds:09.6f},0.100000,0,0,0,4.0E+1,5.11E+2,3RX,068,511,MQ1A,"
        f"2021-05-07T18:51:{seconds:012.9f}Z,100000ns,6,"
    )
    return text.encode().ljust(size, b"\0")


def write(path, frames=FRAMES, pixel="U08", **options):
    content = [header(k, pixel, **options) + frame.tobytes() for k, frame in enumerate(frames)]
    path.write_bytes(b"".join(content))
    return path


def test_rows_are_read_lazily(tmp_path):
    scan = open_scan(write(tmp_path / "a.mib"), scan_shape=(3, 4))
    assert (scan.shape, scan.dtype, scan.name) == ((3, 4, 6, 8), np.uint8, "a.mib")
    expected = FRAMES[:, ::-1].reshape(3, 4, 6, 8)
    assert np.array_equal(scan.read(1, 3), expected[1:3])
    assert np.array_equal(scan, expected)


@pytest.mark.parametrize("scan_shape", [(4, 3), (1, 12), (12, 1), (2, 6)])
def test_other_scan_shapes(tmp_path, scan_shape):
    scan = open_scan(write(tmp_path / "a.mib"), scan_shape=scan_shape)
    assert np.array_equal(scan, FRAMES[:, ::-1].reshape(*scan_shape, 6, 8))


def test_twelve_bits(tmp_path):
    frames = (FRAMES.astype(np.uint16) * 256).astype(">u2")
    scan = open_scan(write(tmp_path / "a.mib", frames, "U16"), scan_shape=(3, 4))
    assert scan.dtype == np.dtype("uint16")
    assert np.array_equal(scan, frames[:, ::-1].reshape(3, 4, 6, 8))


def test_the_scan_shape_from_the_time_stamps(tmp_path):
    scan = open_scan(write(tmp_path / "a.mib"))
    assert scan.scan_shape == (3, 4)
    assert "was taken from the time stamps" in scan.assumptions[0]


def test_a_square_where_the_time_stamps_do_not_tell(tmp_path):
    scan = open_scan(write(tmp_path / "a.mib", FRAMES[:9], line=100))
    assert scan.scan_shape == (3, 3)
    assert len(scan.assumptions) == 1


def test_one_frame(tmp_path):
    scan = open_scan(write(tmp_path / "a.mib", FRAMES[:1]))
    assert np.array_equal(scan, FRAMES[:1, ::-1].reshape(1, 1, 6, 8))


def test_a_wrong_scan_shape(tmp_path):
    with pytest.raises(InputError, match=r"scan_shape \(2, 4\) needs 8 patterns, but there are 12.*\(2, 6\)"):
        open_scan(write(tmp_path / "a.mib"), scan_shape=(2, 4))
    with pytest.raises(InputError, match=r"needs 15 patterns, but there are 12"):
        open_scan(tmp_path / "a.mib", scan_shape=(5, 3))


def test_frames_that_fit_no_square(tmp_path):
    with pytest.raises(InputError, match=r"a.mib: has 11 patterns in a row.*\(1, 11\)"):
        open_scan(write(tmp_path / "a.mib", FRAMES[:11]))


@pytest.mark.parametrize(
    ("length", "message"),
    [
        (1, "is no Merlin .mib file"),
        (100, "holds no whole frame: 100 bytes, a frame has 432"),
        (400, "holds no whole frame: 400 bytes, a frame has 432"),
        (900, r"is incomplete: 900 bytes are 2 whole frames of 432 bytes and 36 bytes more.*cut it to 864 bytes"),
        (-1, "is incomplete: 5183 bytes are 11 whole frames"),
    ],
)
def test_truncated(tmp_path, length, message):
    path = write(tmp_path / "a.mib")
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(InputError, match=message):
        open_scan(path, scan_shape=(3, 4))


def test_raw_mode_and_other_headers(tmp_path):
    with pytest.raises(InputError, match=r"recorded in raw mode \(R64\), which cannot be read; convert it"):
        open_scan(write(tmp_path / "a.mib", pixel="R64"))
    with pytest.raises(InputError, match="got 400 bytes, U08, 6×8 pixels"):
        open_scan(write(tmp_path / "b.mib", size=400))
    (tmp_path / "c.mib").write_text("hello " * 100)
    with pytest.raises(InputError, match=r"is no Merlin .mib file"):
        open_scan(tmp_path / "c.mib")


def test_the_description_in_place_of_the_measurement(tmp_path):
    (tmp_path / "a.hdr").write_text("HDR,\t\n")
    with pytest.raises(InputError, match=r"a.hdr: is only the description; open the measurement itself, a.mib"):
        open_scan(tmp_path / "a.hdr")


def test_a_damaged_description(tmp_path):
    (tmp_path / "a.hdr").write_text("no tab here\n")
    with pytest.raises(InputError, match=r"if there is a damaged a.hdr beside it, move that away"):
        open_scan(write(tmp_path / "a.mib"), scan_shape=(3, 4))


def test_fewer_frames_than_announced(tmp_path):
    path = write(tmp_path / "a.mib")
    (tmp_path / "a.hdr").write_text("HDR,\nFrames in Acquisition (Number):\t16\nEnd\t\n")
    notes = open_scan(path, scan_shape=(3, 4)).assumptions
    assert [note for note in notes if "a.hdr announces 16 frames, the file holds 12" in note]
    (tmp_path / "a.hdr").write_text("HDR,\nFrames in Acquisition (Number):\t12\nEnd\t\n")
    assert open_scan(path, scan_shape=(3, 4)).assumptions == ()
