from __future__ import annotations

from pathlib import Path

import gemmi
import numpy as np
import pytest

from clustem import Crystal, InputError, Site, read_crystal, structure_factors
from clustem.crystallography.crystals import LAUE_CLASSES
from clustem.crystallography.structure_factors import at_rest
from clustem.errors import MissingFileError

from .examples import crystal

CIF = """data_x
_cell_length_a 8.4
_cell_length_b 8.4
_cell_length_c 8.4
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
_space_group_name_H-M_alt 'F d -3 m :2'
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
_atom_site_U_iso_or_equiv
Mn1 Mn3.5+ 0.5 0.5 0.5 0.004
O1 O2- 0.261 0.261 0.261 0.005
"""


def test_axes_are_e1_along_a_and_e3_along_c_star() -> None:
    hexagonal = crystal("Ti")
    np.testing.assert_allclose(hexagonal.direct[:, 0], [2.95, 0, 0], atol=1e-12)
    np.testing.assert_allclose(hexagonal.direct[:, 1], [-1.475, 2.95 * np.sqrt(3) / 2, 0], atol=1e-12)
    monoclinic = crystal("Mn")
    c_star = monoclinic.reciprocal[:, 2]
    np.testing.assert_allclose(c_star / np.linalg.norm(c_star), [0, 0, 1], atol=1e-12)
    np.testing.assert_allclose(monoclinic.reciprocal.T @ monoclinic.direct, np.eye(3), atol=1e-12)


@pytest.mark.parametrize(
    ("group", "cell", "laue", "rotations"),
    [
        ("P -1", (5, 6, 7, 80, 95, 100), "-1", 1),
        ("C 1 2/m 1", (5, 6, 7, 90, 100, 90), "2/m", 2),
        ("P m m m", (5, 6, 7, 90, 90, 90), "mmm", 4),
        ("P 4/m", (5, 5, 7, 90, 90, 90), "4/m", 4),
        ("P 4/m m m", (5, 5, 7, 90, 90, 90), "4/mmm", 8),
        ("P -3", (5, 5, 7, 90, 90, 120), "-3", 3),
        ("R -3 m:H", (5, 5, 7, 90, 90, 120), "-3m", 6),
        ("P 6/m", (5, 5, 7, 90, 90, 120), "6/m", 6),
        ("P 6/m m m", (5, 5, 7, 90, 90, 120), "6/mmm", 12),
        ("P m -3", (5, 5, 5, 90, 90, 90), "m-3", 12),
        ("F -4 3 m", (5, 5, 5, 90, 90, 90), "m-3m", 24),
    ],
)
def test_the_eleven_laue_classes(group: str, cell: tuple[float, ...], laue: str, rotations: int) -> None:
    made = Crystal("x", cell, group, (Site("Si", (0, 0, 0)),))  # type: ignore[arg-type]
    assert made.laue_class == laue
    assert laue in LAUE_CLASSES
    assert len(made.rotations) == rotations
    np.testing.assert_allclose(np.linalg.det(made.rotations), 1)
    products = np.einsum("aij,bjk->abik", made.rotations, made.rotations).reshape(-1, 3, 3)
    nearest = np.abs(products[:, None] - made.rotations[None]).max(axis=(2, 3)).min(axis=1)
    assert nearest.max() < 1e-9


def test_structure_factors_equal_the_sum_over_atoms_by_hand() -> None:
    hexagonal = crystal("Ti")
    found = structure_factors(hexagonal, max_g=1.2)
    f = gemmi.Element("Ti").c4322
    for hkl, amplitude, length in zip(found.hkl, found.amplitude, found.length, strict=True):
        h, k, n = hkl
        atoms = np.exp(2j * np.pi * (h / 3 + 2 * k / 3 + n / 4)) + np.exp(2j * np.pi * (2 * h / 3 + k / 3 + 3 * n / 4))
        assert amplitude == pytest.approx(
            f.calculate_sf((length / 2) ** 2) * atoms, rel=1e-6, abs=1e-6
        )  # gemmi rounds it
    assert not ((found.hkl == [0, 0, 1]).all(axis=1)).any()  # absent: two equal layers half a cell apart
    assert ((found.hkl == [0, 0, 2]).all(axis=1)).any()


def test_an_atom_on_a_symmetry_element_counts_once() -> None:
    gold = structure_factors(crystal("Au"), max_g=0.45)
    f = gemmi.Element("Au").c4322.calculate_sf((gold.length[0] / 2) ** 2)
    np.testing.assert_allclose(np.abs(gold.amplitude), 4 * f, rtol=1e-6)
    assert len(gold) == 8


def test_displacements_damp() -> None:
    moving = Crystal("Au", (4.0782, 4.0782, 4.0782, 90, 90, 90), "F m -3 m", (Site("Au", (0, 0, 0), u_iso=0.01),))
    damped, still = structure_factors(moving), structure_factors(moving, debye_waller=False)
    expected = np.exp(-8 * np.pi**2 * 0.01 * (still.length / 2) ** 2)
    np.testing.assert_allclose(np.abs(damped.amplitude) / np.abs(still.amplitude), expected, rtol=1e-6)
    assert at_rest(moving).sites[0].u_iso == 0


def test_a_cif_file_with_ions_and_a_second_origin(tmp_path: Path) -> None:
    (tmp_path / "spinel.cif").write_text(CIF)
    spinel = read_crystal(tmp_path / "spinel.cif")
    assert spinel.name == "spinel"
    assert spinel.space_group == "F d -3 m:2"
    assert [site.element for site in spinel.sites] == ["Mn", "O"]
    assert spinel.sites[1].u_iso == pytest.approx(0.005)
    assert read_crystal(tmp_path / "spinel.cif", name="LMO").name == "LMO"
    assert "F d -3 m:2" in repr(spinel)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("no cif at all", "CIF"),
        ("data_x\n_cell_length_a 4\n", "space group"),
        (CIF.replace("F d -3 m :2", "Q 99"), "space group"),
        (CIF[: CIF.index("loop_")], "atoms"),
    ],
)
def test_a_bad_file_is_told(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "bad.cif").write_text(text)
    with pytest.raises(InputError, match=words):
        read_crystal(tmp_path / "bad.cif")


def test_a_missing_file_is_told() -> None:
    with pytest.raises(MissingFileError, match=r"nowhere\.cif"):
        read_crystal("nowhere.cif")


@pytest.mark.parametrize(
    ("cell", "group", "words"),
    [
        ((4, 4, 5, 90, 90, 90), "F m -3 m", "symmetry"),
        ((4, 4, 4, 90, 90, 90), "X", "space group"),
        ((4, 4, 4, 10, 90, 170), "P -1", "cell"),
        ((4, 4, -4, 90, 90, 90), "P -1", "positive"),
    ],
)
def test_an_impossible_crystal_is_told(cell: tuple[float, ...], group: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        Crystal("x", cell, group, (Site("Si", (0, 0, 0)),))  # type: ignore[arg-type]


def test_bad_sites_and_lengths_are_told() -> None:
    with pytest.raises(InputError, match="chemical symbol"):
        Site("Qq", (0, 0, 0))
    with pytest.raises(InputError, match="occupancy"):
        Site("Au", (0, 0, 0), occupancy=2)
    with pytest.raises(InputError, match="max_g"):
        structure_factors(crystal("Au"), max_g=0.1)
    with pytest.raises(InputError, match="max_g"):
        structure_factors(crystal("Au"), max_g=-1)


@pytest.mark.parametrize("name", ["Au", "Si", "Ti", "Mn"])
def test_a_crystal_written_as_cif_is_the_same_crystal(name: str, tmp_path: Path) -> None:
    path = tmp_path / f"{name}.cif"
    path.write_text(crystal(name).to_cif())
    assert read_crystal(path) == crystal(name)


def test_the_symbol_of_a_space_group_is_written_in_one_way() -> None:
    assert Crystal("Au", (4, 4, 4, 90, 90, 90), "Fm-3m", (Site("Au", (0, 0, 0)),)).space_group == "F m -3 m"
