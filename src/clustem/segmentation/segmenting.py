"""segment: one entrance for all methods."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from clustem.errors import InputError
from clustem.formats import open_scan
from clustem.segmentation.domains import Domains
from clustem.segmentation.parameters import Border, LabelsParameters, PublishedParameters
from clustem.segmentation.published import segment_published
from clustem.surveying import load_image

METHODS = ("published", "labels")


def segment(
    scan: Any,
    *,
    method: Literal["published", "labels"] = "published",
    threshold: float | None = None,
    smooth_sigma: float = 0.0,
    detector_mask: ArrayLike | str | Path | None = None,
    scan_mask: ArrayLike | str | Path | None = None,
    min_size: int = 5,
    border: Border = "full",
    prefilter: bool = False,
    labels: ArrayLike | str | Path | None = None,
) -> Domains:
    """Divide a scan into domains of similar diffraction patterns.

    Parameters
    ----------
    scan : Scan, array (scan_y, scan_x, k_y, k_x), object with such `.data`, or path
    method : {"published", "labels"}
        ``"published"``: neighbours whose patterns have a cosine similarity of at least `threshold` belong together
        (doi 10.1093/mam/ozag044). ``"labels"``: the domains are given by `labels`.
    threshold : float, optional
        Cosine similarity in (−1, 1). Without it, the one whose partition is most stable is chosen;
        ``Domains.reason`` says why.
    smooth_sigma : float
        Gaussian blur of the patterns before they are compared, detector px.
    detector_mask : (k_y, k_x) bool or image file, optional
        True = use; compared are only these pixels.
    scan_mask : (scan_y, scan_x) bool or image file, optional
        True = use; other positions stay unassigned.
    min_size : int
        Clusters of fewer positions stay unassigned.
    border : {"full", "published"}
        Whether the two outermost rows and columns are treated as all others, or as in the authors' code.
    prefilter : bool
        Whether :func:`clustem.published_prefilter` runs first.
    labels : (scan_y, scan_x) integer array or image file, optional
        Only for ``method="labels"``: 0 = unassigned. Other values are renumbered 1 … K in rising order.

    Returns
    -------
    Domains
        With ``border="full"`` numbered by falling size, with ``border="published"`` in the order of their seeds.

    Raises
    ------
    InputError
        If an option is out of range, belongs to another method, or a mask or label image does not fit.

    Examples
    --------
    >>> import clustem
    >>> domains = clustem.segment("clustem:film_au", smooth_sigma=1, threshold=0.998)
    >>> domains.labels.shape
    (40, 40)
    """
    given = {
        "threshold": threshold,
        "smooth_sigma": smooth_sigma,
        "min_size": min_size,
        "border": border,
        "prefilter": prefilter,
    }
    if method not in METHODS:
        raise InputError(f"method: expected one of {', '.join(METHODS)}, got {method!r}")
    scan = open_scan(scan)
    if method == "labels":
        defaults = {field.name: field.default for field in fields(PublishedParameters)}
        foreign = [name for name, value in given.items() if value != defaults[name]]
        foreign += [n for n, mask in (("detector_mask", detector_mask), ("scan_mask", scan_mask)) if mask is not None]
        if foreign:
            raise InputError(f"{foreign[0]}: method 'labels' takes the domains from labels and has no such option")
        return _given_domains(labels, scan)
    if labels is not None:
        raise InputError("labels: only method 'labels' takes a label image; give method='labels' with it")
    parameters = PublishedParameters(**given)  # type: ignore[arg-type]
    return segment_published(scan, parameters, detector_mask=detector_mask, scan_mask=scan_mask)


def _given_domains(labels: ArrayLike | str | Path | None, scan: Any) -> Domains:
    if labels is None:
        raise InputError("labels: method 'labels' needs a label image (scan_y, scan_x)")
    image = load_image(labels, name="labels")
    if image.shape != scan.scan_shape:
        raise InputError(f"labels: expected shape {scan.scan_shape} as the scan, got {image.shape}")
    whole = np.nan_to_num(image, nan=-1, posinf=-1, neginf=-1)
    if (whole < 0).any() or (whole != np.floor(whole)).any():
        raise InputError("labels: expected whole numbers from 0 (unassigned) up")
    if not whole.any():
        raise InputError("labels: the image is 0 everywhere, so there is no domain")
    values, numbered = np.unique(whole, return_inverse=True)
    numbered = numbered.reshape(image.shape) + (0 if values[0] == 0 else 1)
    return Domains(
        labels=numbered.astype(np.int32),
        method="labels",
        parameters=LabelsParameters(),
        reason="label image, as given",
        calibration=scan.calibration,
    )
