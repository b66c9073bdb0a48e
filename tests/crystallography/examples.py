"""Crystals and peaks that are known exactly."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from clustem.calibration import Calibration
from clustem.crystallography import Crystal, Peaks, Site, structure_factors
from clustem.crystallography.record import COLUMNS

ENERGY = 200.0
PIXEL = 0.025
SIZE = 135
WAVELENGTH = 0.0250793


def crystal(name: str) -> Crystal:
    """Return one of a few simple crystals."""
    cells = {
        "Au": ((4.0782, 4.0782, 4.0782, 90, 90, 90), "F m -3 m", (Site("Au", (0, 0, 0)),)),
        "Fe": ((2.8665, 2.8665, 2.8665, 90, 90, 90), "I m -3 m", (Site("Fe", (0, 0, 0)),)),
        "Si": ((5.4307, 5.4307, 5.4307, 90, 90, 90), "F d -3 m:1", (Site("Si", (0, 0, 0)),)),
        "Ti": ((2.95, 2.95, 4.686, 90, 90, 120), "P 63/m m c", (Site("Ti", (1 / 3, 2 / 3, 0.25)),)),
        "TiO2": (
            (4.5937, 4.5937, 2.9587, 90, 90, 90),
            "P 42/m n m",
            (Site("Ti", (0, 0, 0)), Site("O", (0.3053, 0.3053, 0))),
        ),
        "Mn": ((5.1, 8.5, 5.1, 90, 109.46, 90), "C 1 2/m 1", (Site("Mn", (0, 0.167, 0)),)),
    }
    cell, group, sites = cells[name]
    return Crystal(name, cell, group, sites)


def rotation(seed: int) -> NDArray[np.float64]:
    """Return a random rotation."""
    q = np.random.default_rng(seed).normal(size=4)
    w, x, y, z = q / np.linalg.norm(q)
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )


def spots(
    of: Crystal, matrix: NDArray[np.float64], *, thickness: float = 40.0
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return (x, y) in 1/Å and kinematic intensities of the spots of a crystal that a detector would show."""
    reflections = structure_factors(of, max_g=2.4)
    g = reflections.g @ matrix.T
    error = -(g[:, 2] + 0.5 * WAVELENGTH * (g**2).sum(axis=1))
    intensity = reflections.intensity * np.sinc(error * thickness) ** 2
    inside = (np.abs(g[:, :2]) < PIXEL * (SIZE - 1) / 2).all(axis=1) & (np.hypot(g[:, 0], g[:, 1]) > 0.2)
    shown = inside & (np.abs(error) < 0.1) & (intensity > 1e-3 * intensity[inside].max())
    return g[shown, :2], 1000 * intensity[shown] / intensity.max()


def peaks_of(patterns: list[tuple[NDArray[np.float64], NDArray[np.float64]]], *, pixel: float = PIXEL) -> Peaks:
    """Return the record of exactly known peaks: (x, y) in 1/Å and intensities of each pattern."""
    rows = []
    centre = (SIZE - 1) / 2
    for label, (g, intensity) in enumerate(patterns, 1):
        for i in np.argsort(-intensity, kind="stable"):
            x, y = g[i]
            place = (centre + y / PIXEL, centre + x / PIXEL, 0.01, 0.01)
            measured = (y * pixel / PIXEL, x * pixel / PIXEL, 0.01 * pixel)
            rows.append((label, *place, *measured, intensity[i], 0.01 * intensity[i], 0.99))
    return Peaks(
        table=pd.DataFrame(np.array(rows).reshape(-1, len(COLUMNS)), columns=list(COLUMNS)).astype({"label": np.int64}),
        centres=np.full((len(patterns), 2), centre),
        calibration=Calibration(inv_angstrom_per_px=pixel, energy_keV=ENERGY),
        shape=(SIZE, SIZE),
        mask=np.ones((SIZE, SIZE), bool),
        radius=3.0,
        noise_intensity=np.full(len(patterns), 1.0),
    )
