"""segment: one entrance for all methods."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from clustem.errors import InputError
from clustem.formats import open_scan
from clustem.segmentation.domains import Domains
from clustem.segmentation.noise_aware import segment_noise_aware
from clustem.segmentation.parameters import Border, LabelsParameters, NoiseAwareParameters, PublishedParameters
from clustem.segmentation.published import segment_published
from clustem.surveying import Survey, load_image, load_mask, mend_pixels, survey_of

METHODS = ("noise-aware", "published", "labels")
_KNOWN = {
    "noise-aware": ("similarity", "min_size", "detector_mask", "scan_mask"),
    "published": ("threshold", "smooth_sigma", "min_size", "border", "prefilter", "detector_mask", "scan_mask"),
    "labels": ("labels",),
}
_DEFAULTS = {
    item.name: item.default for parameters in (NoiseAwareParameters, PublishedParameters) for item in fields(parameters)
}


def segment(
    scan: Any,
    *,
    method: Literal["noise-aware", "published", "labels"] = "noise-aware",
    similarity: float = 0.2,
    threshold: float | None = None,
    smooth_sigma: float = 0.0,
    detector_mask: ArrayLike | str | Path | None = None,
    scan_mask: ArrayLike | str | Path | None = None,
    min_size: int = 5,
    border: Border = "full",
    prefilter: bool = False,
    labels: ArrayLike | str | Path | None = None,
    survey: Survey | None = None,
) -> Domains:
    """Divide a scan into domains of similar diffraction patterns.

    Parameters
    ----------
    scan : Scan, array (scan_y, scan_x, k_y, k_x), object with such `.data`, or path
    method : {"noise-aware", "published", "labels"}
        ``"noise-aware"``: regions grow while noise, gradients and mixtures explain what differs; nothing needs to be
        set. ``"published"``: neighbours whose patterns have a cosine similarity of at least `threshold` belong
        together (doi 10.1093/mam/ozag044). ``"labels"``: the domains are given by `labels`.
    similarity : float
        Only for ``"noise-aware"``: what the reflections and lattices of two regions have in common behind the noise, in
        (0, 1), if they are one domain.
    threshold : float, optional
        Only for ``"published"``, as are `smooth_sigma`, `border` and `prefilter`. Cosine similarity in (−1, 1). Without
        it, the one whose partition is most stable is chosen;
        ``Domains.reason`` says why.
    smooth_sigma : float
        Gaussian blur of the patterns before they are compared, detector px.
    detector_mask : (k_y, k_x) bool or image file, optional
        True = use; compared are only these pixels. Without it, ``"published"`` compares all, and ``"noise-aware"``
        those from twice the radius of the direct beam on.
    scan_mask : (scan_y, scan_x) bool or image file, optional
        True = use; other positions stay unassigned.
    min_size : int
        Clusters of fewer positions stay unassigned, or with ``"noise-aware"`` go to those around them.
    border : {"full", "published"}
        Whether the two outermost rows and columns are treated as all others, or as in the authors' code.
    prefilter : bool
        Whether :func:`clustem.published_prefilter` runs first.
    labels : (scan_y, scan_x) integer array or image file, optional
        Only for ``method="labels"``: 0 = unassigned. Other values are renumbered 1 … K in rising order.
    survey : Survey, optional
        Of the same scan, if it has been made: its bad pixels are mended. ``"noise-aware"`` needs one and else makes it.

    Returns
    -------
    Domains
        Numbered by falling size, with ``border="published"`` in the order of their seeds. With ``"noise-aware"``,
        vacuum, or what else holds no crystal and scatters least, is 0.

    Raises
    ------
    InputError
        If an option is out of range, belongs to another method, or a mask or label image does not fit.

    Examples
    --------
    >>> import clustem
    >>> domains = clustem.segment("clustem:film_au")
    >>> domains.number
    17
    """
    given = {
        "similarity": similarity,
        "threshold": threshold,
        "smooth_sigma": smooth_sigma,
        "min_size": min_size,
        "border": border,
        "prefilter": prefilter,
    }
    masks = {"detector_mask": detector_mask, "scan_mask": scan_mask, "labels": labels}
    check_options(method, given | masks)
    scan = open_scan(scan)
    if method == "labels":
        return _given_domains(labels, scan)
    if method == "published":
        published = PublishedParameters(**_known(method, given))
        mended = scan if survey is None else mend_pixels(scan, survey_of(scan, survey).bad_pixels)
        return segment_published(mended, published, detector_mask=detector_mask, scan_mask=scan_mask)
    parameters = NoiseAwareParameters(**_known(method, given))
    found = survey_of(scan, survey)
    return segment_noise_aware(
        scan,
        found,
        parameters,
        detector_mask=_mask(detector_mask, scan.detector_shape, "detector_mask"),
        scan_mask=_mask(scan_mask, scan.scan_shape, "scan_mask"),
    )


def check_options(method: str, options: Mapping[str, Any]) -> None:
    """Raise InputError if a method is unknown, or an option differs from its default and the method has none such."""
    if method not in METHODS:
        raise InputError(f"method: expected one of {', '.join(METHODS)}, got {method!r}")
    for name, value in options.items():
        default = _DEFAULTS.get(name)
        if has_option(method, name) or value is None or (default is not None and _same(value, default)):
            continue
        owners = " or ".join(f"'{owner}'" for owner in METHODS if has_option(owner, name))
        raise InputError(f"{name}: method '{method}' has no such option; choose method {owners}, or leave it out")


def has_option(method: str, name: str) -> bool:
    """Return whether a method knows an option of :func:`segment`."""
    return name in _KNOWN[method]


def _same(value: Any, default: Any) -> bool:
    return bool(np.isscalar(value)) and value == default


def _known(method: str, options: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if has_option(method, name)}


def _mask(source: ArrayLike | str | Path | None, shape: tuple[int, int], name: str) -> NDArray[np.bool_] | None:
    return None if source is None else load_mask(source, shape, name=name)


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
