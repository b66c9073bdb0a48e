import numpy as np
import pytest

from clustem.computing import execution
from clustem.errors import InputError
from clustem.surveying import NoiseModel, survey


def expected_scan(shape=(16, 18), detector=(48, 50), electrons=2000.0, seed=0):
    """Two grains with a direct beam, spots and a background that fades outwards."""
    generator = np.random.default_rng(seed)
    y, x = np.indices(detector)
    beam = 40.0 * (np.hypot(y - 23.4, x - 24.2) < 4) + 0.5 * np.exp(-np.hypot(y - 23.4, x - 24.2) / 9)
    grains = []
    for _ in range(2):
        grain = beam.copy()
        for cy, cx, height in zip(*generator.uniform(4, 44, (2, 12)), generator.gamma(1, 4, 12), strict=True):
            grain += height * (np.hypot(y - cy, x - cx) < 2.5)
        grains.append(grain)
    scan = np.broadcast_to(grains[0], (*shape, *detector)).copy()
    scan[:, shape[1] // 2 :] = grains[1]
    return scan * (electrons / scan.sum((2, 3)).mean())


def counts_of(electrons=2000.0, seed=0, **kw):
    return np.random.default_rng(seed).poisson(expected_scan(electrons=electrons, **kw)).astype(np.uint16)


def camera(counts, seed=1):
    """Gain 7.3, offset 40, read noise 2."""
    read = np.random.default_rng(seed).normal(0, 2, counts.shape)
    return np.rint(counts * 7.3 + 40 + read).astype(np.uint16)


@pytest.mark.parametrize("electrons", [100, 500, 2000, 20_000, 100_000])
@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_counts_have_exactly_unit_gain_at_any_dose(electrons, dtype):
    found = survey(counts_of(electrons).astype(dtype))
    assert (found.noise.kind, found.noise.gain, found.noise.offset, found.noise.read_noise) == ("counts", 1, 0, 0)
    assert found.noise.covariance == (0, 0, 0, 0)
    assert not found.misfit_pixels.any()
    assert "electron counts" in repr(found)


@pytest.mark.parametrize("electrons", [500, 2000, 20_000])
def test_a_camera_is_recognised(electrons):
    noise = survey(camera(counts_of(electrons))).noise
    assert noise.kind == "gain"
    assert noise.gain == pytest.approx(7.3, rel=0.1)
    assert noise.offset == pytest.approx(40, abs=2)
    means = np.array([45.0, 60.0, 200.0])
    np.testing.assert_allclose(noise.variance(means), 7.3 * (means - 40) + 4.1, rtol=0.1)
    assert "7." in noise.summary


def test_negative_values_after_dark_subtraction():
    noise = survey(camera(counts_of()).astype(np.int16) - 40).noise
    assert noise.kind == "gain"
    assert noise.gain == pytest.approx(7.3, rel=0.1)
    assert noise.offset == pytest.approx(0, abs=1)
    assert noise.read_noise == pytest.approx(2.02, abs=0.6)


def test_rescaled_counts():
    counts = counts_of()
    noise = survey((counts * (60000 / counts.max())).astype(np.uint16).astype(np.float32)).noise
    assert noise.kind == "unknown"
    assert noise.gain == pytest.approx(60000 / counts.max(), rel=0.05)
    assert (noise.offset, noise.read_noise) == (0, 0)


@pytest.mark.parametrize("frames", [2, 5])
def test_sums_of_frames_are_counts_and_means_have_less_noise(frames):
    stack = np.stack([counts_of(600, seed=seed) for seed in range(frames)])
    assert survey(stack.sum(axis=0, dtype=np.uint16)).noise.kind == "counts"
    noise = survey(stack.mean(axis=0).astype(np.float32)).noise
    assert noise.kind == "unknown"
    assert noise.gain == pytest.approx(1 / frames, rel=0.05)


@pytest.mark.parametrize("scale", [1, 0.25, 37])
def test_counts_on_a_background_are_told_from_an_offset(scale):
    """No pixel is dark, and all that is brighter differs between positions: steps of the values say what a count is."""
    generator = np.random.default_rng(0)
    spots = generator.gamma(1, 30, (14, 15, 1, 1)) * expected_scan((1, 1))[0, 0] / 40 + 3
    counts = generator.poisson(spots)
    noise = survey(counts * scale if scale == 1 else (counts * scale).astype(np.float32)).noise
    assert noise.gain == pytest.approx(scale, rel=0.15)
    assert (noise.offset, noise.read_noise) == (0, 0)


def test_shared_counts_show_in_the_neighbours():
    """0.76 of a count stays, 0.06 go to each of four neighbours."""
    counts = counts_of(20_000).astype(np.float32)
    shared = 0.76 * counts
    for axis in (2, 3):
        for step in (-1, 1):
            shared += 0.06 * np.roll(counts, step, axis)
    noise = survey(shared).noise
    variance = 0.76**2 + 4 * 0.06**2
    assert noise.gain == pytest.approx(variance, rel=0.06)
    assert noise.covariance[0] == pytest.approx(2 * 0.76 * 0.06 / variance, abs=0.03)
    assert noise.covariance[2] == pytest.approx(2 * 0.76 * 0.06 / variance, abs=0.03)
    assert noise.covariance[1] == noise.covariance[3] == 0
    assert "covary" in noise.summary


def test_what_neighbours_share_wholly_is_no_noise():
    """Rows of pixels that flicker as one: a detector that does this is not known, and a scan of such must open."""
    rows = np.random.default_rng(0).poisson(40, (6, 7, 12, 1))
    model = survey(np.broadcast_to(rows, (6, 7, 12, 10)).astype(np.uint16)).noise
    assert model.covariance == (0, 0, 0, 0)


def test_a_beam_that_moves_does_not_look_like_gain():
    counts = counts_of(5000)
    for x in range(counts.shape[1]):
        counts[:, x] = np.roll(counts[:, x], x // 4 % 2, axis=-1)
    assert survey(counts).noise.kind == "counts"


def test_the_same_for_any_block_size_and_number_of_threads():
    data = camera(counts_of(shape=(40, 12)))
    found = []
    for memory, threads in [(2**20, 1), (2**20, 2), (2**29, 2)]:
        with execution(memory=memory, threads=threads):
            found.append(survey(data).noise)
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize("shape", [(1, 1), (1, 2), (5, 1)])
def test_too_few_positions_are_said(shape):
    found = survey(counts_of(shape=shape)).noise
    assert found.kind == "counts"
    assert "too few neighbouring positions" in found.reason
    assert survey(counts_of(shape=shape) + np.float32(0.5)).noise.kind == "unknown"


def test_data_without_noise():
    data = expected_scan()
    assert survey(data[:, : data.shape[1] // 2]).noise.gain == 0
    assert survey(data).noise.gain < 0.2


def test_empty_positions_are_left_out():
    data = counts_of()
    data[3, 4:9] = data[10, ::2] = 0
    assert survey(data).noise.kind == "counts"


def test_what_is_given_takes_the_place_of_what_was_found():
    data = camera(counts_of())
    found = survey(data, gain=7.0, read_noise=0)
    assert (found.noise.gain, found.noise.read_noise) == (7.0, 0.0)
    assert found.noise.offset == pytest.approx(40, abs=1)
    assert found.noise.reason.startswith("gain, read_noise given; otherwise")
    model = NoiseModel("gain", gain=3.0, offset=1.0, read_noise=0.5, covariance=(0.1, 0.0, 0.1, 0.0))
    assert survey(data, noise=model).noise == model
    assert survey(data, noise=model, gain=4).noise.gain == 4
    assert survey(data, noise=NoiseModel()).noise.kind == "counts"
    assert survey(counts_of(), gain=2).noise.kind == "gain"


def test_a_model_that_many_pixels_do_not_follow_is_none():
    """A sixth of the detector is at the end of its scale."""
    data = camera(counts_of())
    level = np.percentile(data.mean(axis=(0, 1)), 80)
    clipped = np.minimum(data, int(level)).astype(np.uint16)
    noise = survey(clipped).noise
    assert (noise.kind, noise.gain) == ("unknown", 0)
    assert noise.reason.startswith("the variance of many pixels does not follow their mean")
    assert not survey(clipped).misfit_pixels.any()
    assert survey(clipped, gain=7.3).noise.gain == 7.3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"gain": -1}, "gain: expected a finite number of at least 0, got -1"),
        ({"gain": True}, "gain: expected a finite number"),
        ({"offset": np.inf}, "offset: expected a finite number, got inf"),
        ({"read_noise": "2"}, "read_noise: expected a finite number"),
    ],
)
def test_bad_numbers_are_errors_before_the_scan_is_read(options, message):
    with pytest.raises(InputError, match=message):
        survey("nowhere.npy", **options)


def test_a_model_checks_itself():
    with pytest.raises(InputError, match="expected a kind of counts, gain, unknown"):
        NoiseModel("poisson")
    with pytest.raises(InputError, match="counts have gain 1"):
        NoiseModel("counts", gain=2)
    with pytest.raises(InputError, match="four numbers between -1 and 1"):
        NoiseModel(covariance=(0.0, 0.0, 1.0, 0.0))
    with pytest.raises(InputError, match="read_noise: expected a finite number of at least 0"):
        NoiseModel("gain", read_noise=-1)


def test_variance_is_not_negative():
    model = NoiseModel("gain", gain=2.0, offset=10.0, read_noise=3.0)
    np.testing.assert_array_equal(model.variance([0.0, 10.0, 11.0]), [0.0, 9.0, 11.0])


def test_values_below_zero_are_surveyed():
    """As some cameras give them, whose dark reference was subtracted: on the whole, less than nothing."""
    values = np.random.default_rng(0).normal(-2, 5, (6, 6, 16, 16)).astype(np.int32)
    noise = survey(values).noise
    assert noise.kind != "counts"
