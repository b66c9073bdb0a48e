"""The benchmark: its methods on what has known answers, and what it reads and prints."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile

pytest.importorskip("sklearn", reason='installed by pip install ".[validation]"')
sys.path.append(str(Path(__file__).parents[2] / "validation"))  # as for the scripts there

import benchmark
import benchmark_tables
import rivals
from rows import Row
from scores import Truth
from simulated import make

SHAPE = (16, 16, 32, 32)


def row(kind: str, method: str, inside: float) -> Row:
    return Row(kind, f"{kind}-16x16-2000-0-seed0", 2000.0, 0, method, "0", inside, inside / 2, 0.0, 3, "")


def test_non_local_averaging_stays_within_a_domain_and_lowers_its_noise() -> None:
    mean = np.full((10, 12, 16, 16), 4.0)
    mean[:, 6:, :, :8] = 40.0
    counts = np.random.default_rng(0).poisson(mean)
    averaged = rivals.averaged_non_locally(counts, np.ones((16, 16), bool))
    assert np.abs(averaged - mean).max() < 12
    assert (averaged - mean).std() < 0.6 * (counts - mean).std()


def test_the_high_pass_filter_takes_out_what_is_flat() -> None:
    mask = np.ones((24, 24), bool)
    mask[10:14, 10:14] = False
    flat = np.full((2, 2, 24, 24), 7.0)
    np.testing.assert_allclose(rivals.high_passed(flat, mask), 0, atol=1e-5)
    flat[0, 0, 3, 3] += 5
    assert rivals.high_passed(flat, mask)[0, 0].argmax() == 3 * 24 + 3


def test_true_patterns_give_the_true_domains() -> None:
    scene = make("film", dose=20000, shape=(24, 24, 32, 32))
    labels, _ = next(iter(rivals.told(scene.counts, scene.labels)))
    inside = Truth.from_labels(scene.labels).inside
    np.testing.assert_array_equal(labels[inside], scene.labels[inside])


def test_a_case_is_made_and_the_default_scored() -> None:
    case = benchmark.Case("single", 1000.0, 0.0, 0, SHAPE)
    (found,) = benchmark.solve(case, ["default"])
    assert (found.scene, found.frame, found.recording) == ("single", "single-16x16-1000-0-seed0", "0")
    assert found.inside == found.everywhere == 1


@pytest.mark.parametrize("ending", [".npy", ".tif"])
def test_label_images_of_others_are_scored(tmp_path: Path, ending: str) -> None:
    case = benchmark.Case("film", 500.0, 0.0, 0, SHAPE)
    folder = tmp_path / "mine"
    folder.mkdir()
    labels = case.scene().labels
    path = folder / f"{case.name}{ending}"
    np.save(path, labels) if ending == ".npy" else tifffile.imwrite(path, labels.astype(np.uint16))
    (found,) = benchmark.score_folder(folder, [case])
    assert (found.method, found.inside, found.f1) == ("mine", 1, 1)


@pytest.mark.parametrize("wrong", [np.zeros((3, 3), int), np.full(SHAPE[:2], 0.5), np.full(SHAPE[:2], -1)])
def test_what_is_no_label_image_is_refused(tmp_path: Path, wrong: np.ndarray) -> None:
    path = tmp_path / "labels.npy"
    np.save(path, wrong)
    with pytest.raises(SystemExit, match="expected"):
        benchmark.read_labels(path, (16, 16))


def test_a_mean_is_given_only_of_all_kinds() -> None:
    rows = [row("film", "default", 1.0), row("bent", "default", 0.5), row("film", "nmf", 0.7)]
    text = benchmark_tables.all_tables(rows)
    assert "| film | 2000 | × 0 | 1.000 / 0.500 | 0.700 / 0.350 |" in text
    assert "| mean | dose × 1 | × 0 | 0.750 / 0.375 |  |" in text


def test_the_plot_is_written(tmp_path: Path) -> None:
    benchmark_tables.draw_all([row("film", "default", 1.0), row("film", "mine", 0.5)], tmp_path / "plot")
    assert {path.name for path in tmp_path.iterdir()} == {"plot.png", "plot.svg"}
