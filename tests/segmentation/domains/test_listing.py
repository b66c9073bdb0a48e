from dataclasses import replace

import numpy as np
import pytest

from clustem.averaging import Averages
from clustem.calibration import Calibration
from clustem.errors import InputError
from clustem.segmentation import Domains, LabelsParameters, domain_table

LABELS = np.array([[1, 1, 0, 0, 0], [1, 0, 2, 2, 0], [0, 0, 2, 2, 0], [0, 0, 0, 0, 0]], np.int32)
SIMILARITY = np.array([[0.9, 0.6, 0, 0, 0], [np.nan, 0, 0.1, 0.2, 0], [0, 0, 0.3, 0.4, 0], [0] * 5])


def domains_of(labels=LABELS, **fields):
    return Domains(labels=labels, method="labels", parameters=LabelsParameters(), **fields)


def averages_of(number):
    index = np.arange(1.0, number + 1)
    return Averages(
        patterns=np.zeros((number, 4, 4), np.float32),
        variance=np.zeros((number, 4, 4), np.float32),
        electrons=1200 * index,
        positions=np.array([3, 4, 5, 6][:number]),
        snr_single=index,
        snr_domain=10 * index**2,
        chi_squared=index / 2,
        examples=np.zeros((number, 4, 4)),
        example_positions=np.zeros((number, 2), np.int64),
        centre_px=np.array([1.5, 1.5]),
        margin_px=0.0,
        bytes_in=1000,
        bytes_out=10,
    )


def test_not_calibrated_by_hand():
    table = domain_table(domains_of(similarity=SIMILARITY), averages_of(2))
    assert list(table.columns) == [
        "label", "positions", "centroid_y", "centroid_x", "equivalent_diameter", "electrons", "electrons_per_position",
        "snr_single", "snr_domain", "snr_gain", "chi_squared", "mean_similarity", "at_edge",
    ]  # fmt: skip
    assert table["label"].tolist() == [1, 2]
    assert table["positions"].tolist() == [3, 4]
    assert table["centroid_y"].tolist() == pytest.approx([1 / 3, 1.5])
    assert table["centroid_x"].tolist() == pytest.approx([1 / 3, 2.5])
    assert table["equivalent_diameter"].tolist() == pytest.approx([2 * np.sqrt(3 / np.pi), 4 / np.sqrt(np.pi)])
    assert table["electrons"].tolist() == [1200, 2400]
    assert table["electrons_per_position"].tolist() == [400, 600]
    assert table["snr_gain"].tolist() == [10, 20]
    assert table["chi_squared"].tolist() == [0.5, 1]
    assert table["mean_similarity"].tolist() == pytest.approx([0.75, 0.25])
    assert table["at_edge"].tolist() == [True, False]


def test_calibrated_by_hand():
    domains = domains_of(calibration=Calibration(scan_step_nm=(0.5, 2)))
    table = domain_table(domains, averages_of(2))
    assert table["area_nm2"].tolist() == [3, 4]
    factor = np.sqrt(0.5 * 2)
    assert table["equivalent_diameter_nm"].tolist() == pytest.approx((table["equivalent_diameter"] * factor).tolist())
    square = domain_table(replace(domains, calibration=Calibration(scan_step_nm=3)), averages_of(2))
    assert square["area_nm2"].tolist() == [27, 36]
    assert square["equivalent_diameter_nm"].tolist() == pytest.approx([6 * np.sqrt(3 / np.pi), 12 / np.sqrt(np.pi)])
    assert list(square.columns[:3]) == ["label", "positions", "area_nm2"]


def test_confidence_has_a_column_where_there_is_one():
    table = domain_table(domains_of(confidence=np.array([0.9, 0.25])), averages_of(2))
    assert table["confidence"].tolist() == [0.9, 0.25]
    assert list(table.columns[-3:]) == ["mean_similarity", "confidence", "at_edge"]
    assert "confidence" not in domain_table(domains_of(), averages_of(2))


def test_methods_without_similarity_and_edges_on_all_sides():
    labels = np.zeros((4, 5), np.int32)
    labels[0, 2], labels[2, 0], labels[3, 3], labels[1, 4] = 1, 2, 3, 4
    table = domain_table(domains_of(labels), averages_of(4))
    assert table["mean_similarity"].isna().all()
    assert table["at_edge"].all()


def test_no_domains_give_an_empty_table():
    empty = domain_table(domains_of(np.zeros((3, 3), np.int32), similarity=np.zeros((3, 3))), averages_of(0))
    assert len(empty) == 0
    assert "snr_gain" in empty.columns


def test_averages_of_other_domains():
    with pytest.raises(InputError, match="averages: expected 2 patterns, one per domain, got 3"):
        domain_table(domains_of(), averages_of(3))
