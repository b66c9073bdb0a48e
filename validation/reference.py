"""Compare method="published" with numbers that the authors' own code computed on the same scan.

    python validation/reference.py PUBLISHED_REFERENCE.h5

PUBLISHED_REFERENCE.h5 holds `counts` (scan_y, scan_x, k_y, k_x), `q_space_mask` (k_y, k_x), `r_space_mask` (scan_y,
scan_x), and for each case a group with the parameters as attributes, `similarity` (scan_y, scan_x, 8), `cluster_map`
(scan_y, scan_x; -1 = masked) and `kept_means` (clusters of at least `min_cluster_size`, in the order of their seeds);
in `prefilter` the `output` for the first `crop` rows and columns. The tables are printed as Markdown.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, Literal

import h5py
import numpy as np
from numpy.typing import NDArray

import clustem

FRAME = 2  # outermost rows and columns that never join a cluster in the authors' code
BORDERS: tuple[Literal["published", "full"], ...] = ("published", "full")
CASES = ("plain", "masked", "smoothed", "region")


def largest_deviation(found: NDArray[Any], expected: NDArray[Any]) -> float:
    """Return the largest |found - expected| / |expected|, where expected is not 0."""
    difference, size = np.abs(found - expected), np.abs(expected)
    if difference[size == 0].any():
        return float("inf")
    return float((difference[size > 0] / size[size > 0]).max())


def largest_difference(found: NDArray[Any], expected: NDArray[Any]) -> float:
    """Return the largest ‖found - expected‖ / ‖expected‖ of a pattern, over the last two axes."""
    difference, size = (np.linalg.norm(values, axis=(-2, -1)) for values in (found - expected, expected))
    return float((difference / size).max())


def compare_case(file: h5py.File, name: str) -> list[str]:
    """Return the cells of one line of the table."""
    group, counts = file[name], file["counts"][()]
    options: dict[str, Any] = {"smooth_sigma": float(group.attrs["smooth_sigma"])}
    if group.attrs["q_mask"]:
        options["detector_mask"] = file["q_space_mask"][()]
    scan_mask = file["r_space_mask"][()] if group.attrs["r_mask"] else None
    threshold, min_size = float(group.attrs["threshold"]), int(group.attrs["min_cluster_size"])
    similarity = clustem.published_similarity(counts, scan_mask=scan_mask, **options)
    options["threshold"] = threshold
    expected = group["cluster_map"][()]

    clusters = clustem.segment(
        counts, method="published", border="published", min_size=1, scan_mask=scan_mask, **options
    ).labels
    kept = clustem.segment(
        counts, method="published", border="published", min_size=min_size, scan_mask=scan_mask, **options
    )
    means = clustem.average(counts, kept, centre=False).patterns
    same_number = means.shape == group["kept_means"].shape

    inner = slice(FRAME, -FRAME), slice(FRAME, -FRAME)
    inner_mask = None if scan_mask is None else scan_mask[inner]
    cropped = clustem.segment(counts[inner], method="published", min_size=1, scan_mask=inner_mask, **options).labels
    whole = clustem.segment(counts, method="published", min_size=1, scan_mask=scan_mask, **options).labels
    return [
        name,
        f"{largest_deviation(similarity, group['similarity'][()]):.1e}",
        "yes" if np.array_equal(clusters, expected + 1) else "no",
        f"{clustem.adjusted_rand_index(clusters, expected):.4f}",
        f"{largest_deviation(means, group['kept_means'][()]):.1e}" if same_number else "other number of clusters",
        f"{clustem.adjusted_rand_index(cropped, expected[inner]):.4f}",
        f"{clustem.adjusted_rand_index(whole[inner], expected[inner]):.4f}",
    ]


def compare_prefilter(file: h5py.File) -> list[str]:
    """Return the largest relative differences of the prefilter with the published and with the full border rule."""
    group = file["prefilter"]
    crop = int(group.attrs["crop"])
    low, high = (float(value) for value in group.attrs["corr_range"])
    expected = group["output"][()]
    cells = []
    for border in BORDERS:
        filtered = clustem.published_prefilter(
            file["counts"][:crop, :crop],
            corr_range=(low, high),
            radius=int(group.attrs["radius"]),
            sigma=float(group.attrs["sigma"]),
            edge=int(group.attrs["edge"]),
            border=border,
        )
        cells.append(f"{largest_difference(np.asarray(filtered), expected):.1e}")
    return cells


def main() -> None:
    """Read the arguments and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("reference", type=Path, help="HDF5 file with the numbers of the authors' code")
    with h5py.File(parser.parse_args().reference) as file:
        print("| case | similarity | same clusters, same order | ARI | means | ARI, frame cut off | ARI inside |")
        print("| --- | --- | --- | --- | --- | --- | --- |")
        for name in CASES:
            print("| " + " | ".join(compare_case(file, name)) + " |")
        published, full = compare_prefilter(file)
    print(
        "\nsimilarity, means: largest relative deviation. Clusters and ARI: border='published', all positions.\n"
        "ARI, frame cut off: the two outermost rows and columns are cut off and the rest is segmented alone with\n"
        "border='full'. ARI inside: the whole scan is segmented with border='full', and compared without that frame;\n"
        "clusters that touch each other only through the frame are one there.\n"
        f"\nPrefilter, largest relative difference of a pattern (norm): {published} with border='published', "
        f"{full} with border='full'."
    )


if __name__ == "__main__":
    main()
