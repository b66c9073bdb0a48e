import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clustem.errors import InputError
from clustem.formats.binary import map_frames, read_fields


@given(
    st.integers(1, 4), st.integers(0, 5), st.integers(0, 5), st.integers(0, 5), st.sampled_from(["u1", "<u2", ">f4"])
)
def test_frames_between_other_bytes(tmp_path_factory, number, offset, before, after, dtype):
    path = tmp_path_factory.getbasetemp() / "frames"
    frames = np.arange(number * 6).reshape(number, 2, 3).astype(dtype)
    path.write_bytes(b"h" * offset + b"".join(b"b" * before + frame.tobytes() + b"a" * after for frame in frames))
    options = {"frame_shape": (2, 3), "dtype": dtype, "offset": offset, "before": before, "after": after}
    assert np.array_equal(map_frames(path, **options), frames)
    assert np.array_equal(map_frames(path, most=1, **options), frames[:1])


def test_what_is_no_frame(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(bytes(13))
    with pytest.raises(
        InputError, match=r"it holds 2 whole frames of 2×3 uint8 and 1 bytes more; .* cut it to 12 bytes"
    ):
        map_frames(path, frame_shape=(2, 3), dtype="u1")
    assert len(map_frames(path, frame_shape=(2, 3), dtype="u1", most=2)) == 2
    for shape in ((0, 3), (2**20, 2**20)):
        with pytest.raises(InputError, match="it is damaged"):
            map_frames(path, frame_shape=shape, dtype="u1")
    with pytest.raises(InputError, match="holds 0 whole frames"):
        map_frames(path, frame_shape=(2, 3), dtype="u1", offset=99)


def test_fields(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"\1\0\2\0\0\0")
    assert read_fields(path, "<HI") == (1, 2)
    assert read_fields(path, "<I", 2) == (2,)
    with pytest.raises(InputError, match="6 bytes, but its header ends at 7"):
        read_fields(path, "<I", 3)
