"""Domains that say little or nothing: no peaks, few of them, no crystal."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from clustem import Domains, InputError, fit_strain, match_orientations, misorientation_table
from clustem.crystallography.internal_misorientation import kernel_average_misorientation
from clustem.crystallography.orientation_exports import orientation_table, to_ang, to_ctf
from clustem.segmentation import LabelsParameters

from .examples import crystal, peaks_of, rotation, spots

GOLD = crystal("Au")
WHOLE = spots(GOLD, rotation(0))
NOTHING = np.zeros((0, 2)), np.zeros(0)
ONE, TWO = (WHOLE[0][:1], WHOLE[1][:1]), (WHOLE[0][:2], WHOLE[1][:2])
ROW = np.outer([1, 2, -1], [0.3, 0.1]), np.ones(3)
FEW, FOREIGN = "fewer than 3 peaks", "no crystal explains the peaks"


@pytest.mark.parametrize(
    ("patterns", "reasons"),
    [
        ([NOTHING], [FEW]),
        ([NOTHING, NOTHING], [FEW, FEW]),
        ([ONE, TWO], [FEW, FEW]),
        ([ROW], [FOREIGN]),
        ([WHOLE], [""]),
        ([NOTHING, WHOLE, ONE], [FEW, "", FEW]),
    ],
    ids=["one without peaks", "two without peaks", "one and two peaks", "three peaks in a row", "one domain", "mixed"],
)
def test_what_cannot_be_said_is_given_a_reason_by_every_step(patterns, reasons) -> None:
    peaks = peaks_of(patterns)
    found = match_orientations(peaks, GOLD, dynamical=False)
    assert found.reason.tolist() == reasons
    assert found.found.tolist() == [not reason for reason in reasons]
    assert set(found.candidates["label"]) >= {label for label, reason in enumerate(reasons, 1) if not reason}
    strain = fit_strain(peaks, found)
    assert strain.reason == tuple("no orientation" if reason else "" for reason in reasons)
    np.testing.assert_array_equal(strain.measured, found.found)
    assert fit_strain(peaks).reason == ("no lattice",) * len(patterns)
    labels = np.arange(len(patterns) + 1)[None].repeat(2, axis=0)
    table = misorientation_table(found, Domains(labels.astype(np.int32), "labels", LabelsParameters()))
    assert len(table) == len(patterns) - 1
    assert table["misorientation_deg"].isna().all()
    assert orientation_table(found)["reason"].tolist() == reasons
    written = [int(row.split()[7]) for row in to_ang(found, labels).splitlines() if not row.startswith("#")]
    assert written == 2 * [0, *(int(not reason) for reason in reasons)]
    assert to_ctf(found, labels).count("\n1\t") == 2 * found.found.sum()
    positions = found.rotation[labels - 1]
    assert np.isnan(kernel_average_misorientation(positions, labels)[:, 0]).all()


def test_without_a_known_centre_there_are_reasons_too() -> None:
    """Behind a beam stop and without pairs of peaks no centre is found, and scattering vectors are NaN."""
    peaks = peaks_of([WHOLE])
    lost = replace(peaks, table=peaks.table.assign(g_y=np.nan, g_x=np.nan), centres=np.full((1, 2), np.nan))
    found = match_orientations(lost, GOLD, dynamical=False)
    assert found.reason.tolist() == [FOREIGN]
    assert fit_strain(lost, found).reason == ("no orientation",)
    assert fit_strain(lost).reason == ("no lattice",)


def test_a_reference_without_a_strain_is_told_with_the_reason() -> None:
    peaks = peaks_of([ONE, WHOLE])
    found = match_orientations(peaks, GOLD, dynamical=False)
    with pytest.raises(InputError, match="domain 1 has no strain itself: no orientation; choose another domain"):
        fit_strain(peaks, found, reference=1)
    with pytest.raises(InputError, match="domain 1 has no strain itself: no lattice; choose another domain"):
        fit_strain(peaks, reference=1)
