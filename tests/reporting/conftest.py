"""Results made by hand: Poisson counts of a direct beam and one spot per domain."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from clustem.averaging import Averages
from clustem.calibration import Calibration
from clustem.results import Results
from clustem.segmentation import Domains, Mixture, NoiseAwareParameters, PublishedParameters, Quality
from clustem.surveying import NoiseModel, Survey

CALIBRATED = Calibration(inv_angstrom_per_px=0.05, scan_step_nm=0.4)


def simulate(labels: NDArray[np.int32], detector: tuple[int, int]) -> NDArray[np.int64]:
    """Counts (Y, X, k_y, k_x): a direct beam in the middle and a spot whose direction is the label's."""
    y, x = np.indices(detector)
    centre = (np.array(detector) - 1) / 2
    beam = 20.0 * (np.hypot(y - centre[0], x - centre[1]) <= 2.5)
    angles = np.arange(labels.max() + 1)
    spots = [4.0 * (np.hypot(y - centre[0] - 6 * np.sin(a), x - centre[1] - 6 * np.cos(a)) <= 1.5) for a in angles]
    expected = beam + np.array(spots)[labels] + 0.05
    return np.random.default_rng(7).poisson(expected)


def survey_of(counts: NDArray[np.int64], calibration: Calibration) -> Survey:
    """Survey of counts whose direct beam, of 2.5 px, is in the middle."""
    detector = counts.shape[2:]
    centre = (np.array(detector) - 1) / 2
    y, x = np.indices(detector)
    distance = np.hypot(y - centre[0], x - centre[1])
    total = counts.sum((2, 3)).astype(float)
    no_pixels = np.zeros(detector, bool)
    return Survey(
        name="made by hand",
        shape=counts.shape,
        dtype="int64",
        calibration=calibration,
        mean=counts.mean((0, 1)),
        variance=counts.var((0, 1)),
        maximum=counts.max((0, 1)).astype(float),
        total=total,
        bright_field=counts[..., distance <= 2.5].sum(-1).astype(float),
        annular_dark_field=counts[..., distance > 3.75].sum(-1).astype(float),
        centre_px=centre,
        beam_radius_px=2.5,
        centres_px=np.broadcast_to(centre, (*total.shape, 2)),
        descan_px=np.zeros((*total.shape, 2)),
        hot_pixels=no_pixels,
        dead_pixels=no_pixels,
        misfit_pixels=no_pixels,
        dead_positions=total == 0,
        detector_mask=~no_pixels,
        is_counts=True,
        noise=NoiseModel(),
        fingerprint="0" * 64,
    )


def averages_of(counts: NDArray[np.int64], labels: NDArray[np.int32], calibration: Calibration) -> Averages:
    """Plain means; the gain in signal-to-noise ratio is the square root of the positions."""
    members = [np.argwhere(labels == label + 1) for label in range(labels.max())]
    patterns = np.array([counts[tuple(m.T)].mean(0) for m in members] or np.zeros((0, *counts.shape[2:])))
    positions = np.array([len(m) for m in members], np.int64)
    places = np.array([m[len(m) // 2] for m in members] or np.zeros((0, 2)), np.int64)
    single = np.where(positions > 1, 0.8, np.nan)
    return Averages(
        patterns=patterns.astype(np.float32),
        variance=patterns.astype(np.float32),
        electrons=np.array([float(counts[tuple(m.T)].sum()) for m in members]),
        positions=positions,
        snr_single=single,
        snr_domain=single * np.sqrt(positions),
        chi_squared=np.ones(len(members)),
        examples=counts[tuple(places.T)],
        example_positions=places,
        centre_px=(np.array(counts.shape[2:]) - 1) / 2,
        margin_px=0.0,
        bytes_in=counts.nbytes,
        bytes_out=max(1, patterns.nbytes),
        calibration=calibration,
    )


def build_results(
    labels: NDArray[np.int32], *, calibration: Calibration = CALIBRATED, detector: tuple[int, int] = (24, 24)
) -> Results:
    """Results whose domains are `labels`."""
    labels = np.asarray(labels, np.int32)
    counts = simulate(labels, detector)
    domains = Domains(
        labels,
        "published",
        PublishedParameters(threshold=0.8),
        similarity=np.random.default_rng(3).random(labels.shape),
        reason="threshold chosen by hand",
        calibration=calibration,
    )
    survey, averages = survey_of(counts, calibration), averages_of(counts, labels, calibration)
    recipe = {"segmentation": {"method": "published", "threshold": None, "min_size": 5}}
    return Results(survey, domains, averages, recipe, {"input": "made by hand"})


def quarters(shape: tuple[int, int] = (12, 16)) -> NDArray[np.int32]:
    """Four rectangles, 1 2 above 3 4, with one unassigned position."""
    y, x = np.indices(shape)
    labels = (1 + (x >= shape[1] // 2) + 2 * (y >= shape[0] // 2)).astype(np.int32)
    labels[0, 0] = 0
    return labels


@pytest.fixture(scope="session")
def make_results() -> Callable[..., Results]:
    return build_results


@pytest.fixture(scope="session")
def four_domains() -> Results:
    return build_results(quarters())


def noise_aware(results: Results) -> Results:
    """The same with what the default method finds: confidence falling with the label, a mixture, no similarity."""
    labels, number = results.domains.labels, results.domains.number
    fractions = np.zeros((*labels.shape, 3), np.float32)
    fractions[..., 0] = np.where(labels > 0, 0.9, 0)
    parts = np.zeros(fractions.shape, np.int32)
    parts[..., 0] = labels
    if number > 1:
        fractions[1, :, :2], parts[1, :, 1] = (0.6, 0.4), number
    unexplained = np.zeros(labels.shape, bool)
    unexplained[-1, -1] = True
    domains = Domains(
        labels,
        "noise-aware",
        NoiseAwareParameters(similarity=0.7),
        mixture=Mixture(parts, fractions, unexplained),
        confidence=np.linspace(1.0, 0.25, number),
        quality=Quality(
            np.where(labels > 0, 0.75, np.nan).astype(np.float32),
            np.linspace(0.2, 0.5, number),
            np.full(number, min(number, 1), np.int32),
        ),
        reason="found behind the noise",
        calibration=results.domains.calibration,
    )
    return replace(results, domains=domains, recipe={"segmentation": {"method": "noise-aware", "similarity": 0.7}})


@pytest.fixture(scope="session")
def behind_noise() -> Results:
    """Four domains as the default method finds them."""
    return noise_aware(build_results(quarters()))


@pytest.fixture(scope="session")
def make_behind_noise() -> Callable[..., Results]:
    return lambda labels: noise_aware(build_results(labels))


@pytest.fixture(scope="session")
def flawed() -> Results:
    """Four domains with what can be missing or bad: NaN, dead positions and pixels, a moving beam, warnings."""
    results = build_results(quarters())
    survey = results.survey
    similarity = results.domains.similarity.copy()
    similarity[3, 4] = np.nan
    bad = np.zeros(survey.mean.shape, bool)
    bad[2, 3] = True
    dead = survey.dead_positions.copy()
    dead[3, 4] = True
    survey = replace(
        survey,
        name="a <b>bold</b> & name",
        hot_pixels=bad,
        dead_pixels=bad[::-1],
        detector_mask=~(bad | bad[::-1]),
        dead_positions=dead,
        descan_px=np.ones(survey.descan_px.shape),
        warnings=("1 < 2 patterns are dead",),
    )
    return replace(results, survey=survey, domains=replace(results.domains, similarity=similarity))
