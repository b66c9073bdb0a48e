import numpy as np
import pytest

from clustem.errors import InputError, MissingFileError
from clustem.formats import open_scan

from .samples import COUNTS, flat, write_de, write_mrc

LIST = [(x, y) for y in range(3) for x in range(4)]


@pytest.mark.parametrize(("mode", "dtype"), [(0, "u1"), (1, "i2"), (2, "f4"), (6, "u2"), (12, "f4")])
@pytest.mark.parametrize("order", ["<", ">"])
def test_a_stack(tmp_path, mode, dtype, order):
    path = write_mrc(tmp_path / "a.mrc", flat(COUNTS), mode=mode, order=order, extended=b"x" * 64)
    scan = open_scan(path, scan_shape=(3, 4))
    assert scan.dtype == np.dtype(dtype)
    assert np.array_equal(scan, COUNTS)


def test_a_raster_beside_its_description(tmp_path):
    scan = open_scan(write_de(tmp_path / "a_movie.mrc"))
    assert np.array_equal(scan, COUNTS)
    assert scan.calibration.to_dict() == {"scan_step_nm": (0.25, 0.5), "energy_keV": 300}
    assert scan.assumptions == ()
    write_de(tmp_path / "b_movie.mrc").rename(tmp_path / "b_0_movie.mrc")
    assert open_scan(tmp_path / "b_0_movie.mrc").scan_shape == (3, 4)


def test_a_region_and_unknown_calibration(tmp_path):
    region = {
        "Scan - ROI Enable": "Enable",
        "Scan - ROI Size X": 4,
        "Scan - ROI Size Y": 3,
        "Scan - Size X": 99,
        "Specimen Pixel Size X (nanometers)": -1,
        "Instrument Accelerating Voltage (V)": 0,
    }
    scan = open_scan(write_de(tmp_path / "a_movie.mrc", **region))
    assert np.array_equal(scan, COUNTS)
    assert scan.calibration.to_dict() == {}


def test_a_pixel_size_without_a_unit_is_not_used(tmp_path):
    scan = open_scan(write_de(tmp_path / "a_movie.mrc", **{"Diffraction Pixel Size X": 0.1}))
    assert scan.calibration.inv_angstrom_per_px is None
    assert scan.assumptions[0].startswith("the file says 0.1 per detector pixel, without a unit: not used")


def test_a_movie_that_was_no_scan(tmp_path):
    with pytest.raises(InputError, match="has 12 patterns in a row"):
        open_scan(write_de(tmp_path / "a_movie.mrc", **{"Scan - Enable": "Disable"}))


def test_a_scan_shape_takes_the_place_of_the_description(tmp_path):
    scan = open_scan(write_de(tmp_path / "a_movie.mrc"), scan_shape=(2, 6))
    assert np.array_equal(scan, COUNTS.reshape(2, 6, 8, 8))
    assert scan.calibration.energy_keV == 300


def test_positions_from_a_list(tmp_path):
    order = np.random.default_rng(1).permutation(12)
    path = write_de(tmp_path / "a_movie.mrc", frames=flat(COUNTS)[order], coordinates=[LIST[k] for k in order])
    scan = open_scan(path)
    assert np.array_equal(scan, COUNTS)
    assert scan.dtype == np.uint16
    assert scan.assumptions == ("the frames were put at the positions in the list beside the movie",)


def test_positions_visited_twice_or_never(tmp_path):
    path = write_de(
        tmp_path / "a_movie.mrc", frames=np.concatenate([flat(COUNTS)] * 2)[:-1], coordinates=(LIST * 2)[:-1]
    )
    scan = open_scan(path)
    expected = 2 * COUNTS
    expected[2, 3] //= 2
    assert np.array_equal(scan, expected)
    assert scan.dtype == np.uint32
    assert scan.assumptions[1] == "the frames of a position, up to 2, were added"
    path = write_de(tmp_path / "b_movie.mrc", coordinates=[(2 * x, y) for x, y in LIST])
    scan = open_scan(path)
    assert scan.shape == (3, 7, 8, 8)
    assert np.array_equal(np.asarray(scan)[:, ::2], COUNTS)
    assert not np.asarray(scan)[:, 1::2].any()
    assert "9 of 21 positions were not visited" in scan.assumptions[1]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "a_scan_coordinates.csv, which is not there"),
        ("x,y\n", "expected lines of whole numbers x,y"),
        ("0,0\n1,1\n", "expected the position x,y of 12 frames, got 2 lines"),
        ("-1,0\n" * 12, "expected the position"),
        ("99999,99999\n" * 12, "are spread over 100000×100000 positions: the list is damaged"),
        ("99999999999999999999999,1\n" * 12, "expected lines of whole numbers"),
    ],
)
def test_a_list_that_is_lost_or_damaged(tmp_path, text, message):
    path = write_de(tmp_path / "a_movie.mrc", coordinates=LIST)
    (tmp_path / "a_scan_coordinates.csv").unlink()
    if text is not None:
        (tmp_path / "a_scan_coordinates.csv").write_text(text)
    with pytest.raises(MissingFileError if text is None else InputError, match=message):
        open_scan(path)
    assert open_scan(path, scan_shape=(3, 4)).shape == COUNTS.shape


def test_several_frames_of_every_position(tmp_path):
    path = write_de(
        tmp_path / "a_movie.mrc", frames=np.repeat(flat(COUNTS), 3, axis=0), **{"Scan - Camera Frames Per Point": 3}
    )
    scan = open_scan(path)
    assert np.array_equal(scan, 3 * COUNTS.astype(np.uint32))
    assert scan.assumptions == ("the 3 frames of every position were added",)


def test_several_scans(tmp_path):
    path = write_de(
        tmp_path / "a_movie.mrc", frames=np.concatenate([flat(COUNTS), flat(COUNTS) + 1]), **{"Scan - Repeats": 2}
    )
    assert np.array_equal(open_scan(path, frame=1), COUNTS + 1)
    for frame in (None, 2):
        with pytest.raises(InputError, match="holds 2 scans one after the other; choose one with frame=0 … 1"):
            open_scan(path, frame=frame)


def test_texts_and_images_name_the_movie(tmp_path):
    write_de(tmp_path / "a_movie.mrc", coordinates=LIST)
    write_mrc(tmp_path / "a_0_sum.mrc", COUNTS[:1, 0])
    for name in ("a_info.txt", "a_scan_coordinates.csv"):
        with pytest.raises(InputError, match=f"{name}: only belongs to a measurement; open that itself, a_movie.mrc"):
            open_scan(tmp_path / name)
    (tmp_path / "b_info.txt").write_text("-")
    with pytest.raises(InputError, match=r"b_info.txt: only belongs to a movie, b_movie.mrc, which is not beside it"):
        open_scan(tmp_path / "b_info.txt")
    with pytest.raises(InputError, match=r"is one image of 8×8, not a scan; open .*, a_movie.mrc"):
        open_scan(tmp_path / "a_0_sum.mrc")


def test_incomplete_and_damaged(tmp_path):
    path = write_mrc(tmp_path / "a.mrc", flat(COUNTS), number=13)
    with pytest.raises(InputError, match="is incomplete: it holds 12 of 13 frames"):
        open_scan(path, scan_shape=(3, 4))
    with pytest.raises(InputError, match="got mode 101, 12 images of 8×8"):
        open_scan(write_mrc(tmp_path / "b.mrc", flat(COUNTS), mode=101))
    (tmp_path / "c.mrc").write_bytes(bytes(500))
    with pytest.raises(InputError, match=r"got mode 0, 0 images of 0×0"):
        open_scan(tmp_path / "c.mrc")
