"""Compiled loops that fit an orientation to the peaks of a pattern: arrays and scalars in, arrays filled."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from clustem.compiling import compiled

Array = NDArray[Any]

_PRECESSION_STEPS = 8  # midpoints of the azimuth over which a precessed relrod is averaged


@compiled()
def relrod(error: float, thickness: float, swing: float) -> float:
    """Return sinc²(π s t), 1 on the Ewald sphere, averaged over s + swing · cos φ for a precessed beam."""
    if swing == 0.0:
        phase = np.pi * error * thickness
        return 1.0 if abs(phase) < 1e-6 else (np.sin(phase) / phase) ** 2
    total = 0.0
    for i in range(_PRECESSION_STEPS):
        phase = np.pi * thickness * (error + swing * np.cos(np.pi * (i + 0.5) / _PRECESSION_STEPS))
        total += 1.0 if abs(phase) < 1e-6 else (np.sin(phase) / phase) ** 2
    return total / _PRECESSION_STEPS


@compiled()
def project(
    g: Array, matrix: Array, wavelength: float, reach: float, precession: float, near: Array, flat: Array
) -> int:
    """Fill near with the reflections g (N, 3) closer to the Ewald sphere than reach, and flat (N, 2) with their x, y.

    reach grows by precession · |g|. Returns their number.
    """
    number = 0
    for j in range(g.shape[0]):
        x = matrix[0, 0] * g[j, 0] + matrix[0, 1] * g[j, 1] + matrix[0, 2] * g[j, 2]
        y = matrix[1, 0] * g[j, 0] + matrix[1, 1] * g[j, 1] + matrix[1, 2] * g[j, 2]
        z = matrix[2, 0] * g[j, 0] + matrix[2, 1] * g[j, 1] + matrix[2, 2] * g[j, 2]
        square = x * x + y * y + z * z
        if abs(z + 0.5 * wavelength * square) < reach + precession * np.sqrt(square):
            near[number] = j
            flat[number, 0], flat[number, 1] = x, y
            number += 1
    return number


@compiled()
def seen(x: float, y: float, to_detector: Array, centre: Array, mask: Array, blocked: float) -> bool:
    """Return whether (x, y) in 1/Å falls on a used pixel of mask (k_y, k_x), more than blocked from the beam."""
    if x * x + y * y < blocked * blocked:
        return False
    row = int(np.floor(centre[0] + to_detector[0, 0] * y + to_detector[0, 1] * x + 0.5))
    column = int(np.floor(centre[1] + to_detector[1, 0] * y + to_detector[1, 1] * x + 0.5))
    return 0 <= row < mask.shape[0] and 0 <= column < mask.shape[1] and mask[row, column]


@compiled()
def pair(flat: Array, number: int, strain: Array, peaks: Array, radius: float, partner: Array) -> None:
    """Fill partner with the nearest of the peaks (n, 2) within radius of every strained spot of flat, −1 = none."""
    for j in range(number):
        x = flat[j, 0] * (1.0 - strain[0]) - flat[j, 1] * strain[2]
        y = flat[j, 1] * (1.0 - strain[1]) - flat[j, 0] * strain[2]
        partner[j] = -1
        least = radius * radius
        for q in range(peaks.shape[0]):
            distance = (x - peaks[q, 0]) ** 2 + (y - peaks[q, 1]) ** 2
            if distance < least:
                least = distance
                partner[j] = q


@compiled()
def fit_plane(
    flat: Array,
    number: int,
    partner: Array,
    weight: Array,
    peaks: Array,
    precision: Array,
    stiffness: float,
    found: Array,
) -> None:
    """Fill found (4,) with the turn and the strains xx, yy, xy that bring spots flat to their peaks (n, 2).

    A spot at p is expected at p + turn × p − strain · p. Each pair counts weight (of the spot) times precision (of the
    peak, 1/σ²); stiffness holds the strains back as if each had been seen to be 0 with that precision.
    """
    normal, right = np.zeros((4, 4)), np.zeros(4)
    row = np.zeros((2, 4))
    for k in range(1, 4):
        normal[k, k] = stiffness
    normal[0, 0] = 1e-9
    for j in range(number):
        q = partner[j]
        if q < 0:
            continue
        x, y = flat[j, 0], flat[j, 1]
        row[0, 0], row[0, 1], row[0, 2], row[0, 3] = -y, -x, 0.0, -y
        row[1, 0], row[1, 1], row[1, 2], row[1, 3] = x, 0.0, -y, -x
        for c in range(2):
            rest = peaks[q, c] - flat[j, c]
            for a in range(4):
                right[a] += weight[j] * precision[q] * row[c, a] * rest
                for b in range(4):
                    normal[a, b] += weight[j] * precision[q] * row[c, a] * row[c, b]
    found[:] = np.linalg.solve(normal, right)


@compiled()
def expect(
    g: Array,
    intensity: Array,
    near: Array,
    number: int,
    partner: Array,
    visible: Array,
    matrix: Array,
    wavelength: float,
    thickness: float,
    precession: float,
    faint: float,
    expected: Array,
) -> float:
    """Fill expected (n,) with the intensity of all spots that fall on each peak; return that of the visible others.

    What would not be seen, being less than `faint`, is taken off every other one.
    """
    expected[:] = 0.0
    lonely = 0.0
    for i in range(number):
        j = near[i]
        z = matrix[2, 0] * g[j, 0] + matrix[2, 1] * g[j, 1] + matrix[2, 2] * g[j, 2]
        square = g[j, 0] * g[j, 0] + g[j, 1] * g[j, 1] + g[j, 2] * g[j, 2]
        error = -(z + 0.5 * wavelength * square)
        value = intensity[j] * relrod(error, thickness, precession * np.sqrt(square))
        if partner[i] >= 0:
            expected[partner[i]] += value
        elif visible[i]:
            lonely += max(0.0, value - faint)
    return lonely


@compiled()
def agreement(amplitude: Array, trust: Array, expected: Array, lonely: float) -> float:
    """Return the normalised correlation, 0 … 1, of measured amplitudes (n,) with the roots of expected (n,).

    trust (n,), 0 … 1, is how well each peak lies where it is expected; lonely is the intensity expected where no peak is.
    """
    product, measured, model = 0.0, 0.0, lonely
    for q in range(amplitude.size):
        product += amplitude[q] * trust[q] * np.sqrt(expected[q])
        measured += amplitude[q] * amplitude[q]
        model += expected[q]
    return product / np.sqrt(measured * model) if measured > 0.0 and model > 0.0 else 0.0


@compiled()
def tilted(matrix: Array, about_x: float, about_y: float) -> Array:
    """Return the matrix (3, 3), turned about the sample's x and y by small angles in radians."""
    out = np.empty((3, 3))
    angle = np.sqrt(about_x * about_x + about_y * about_y)
    if angle < 1e-12:
        out[:] = matrix
        return out
    u, v = about_x / angle, about_y / angle
    c, s = np.cos(angle), np.sin(angle)
    turn = np.empty((3, 3))
    turn[0, 0], turn[0, 1], turn[0, 2] = c + u * u * (1 - c), u * v * (1 - c), v * s
    turn[1, 0], turn[1, 1], turn[1, 2] = u * v * (1 - c), c + v * v * (1 - c), -u * s
    turn[2, 0], turn[2, 1], turn[2, 2] = -v * s, u * s, c
    for a in range(3):
        for b in range(3):
            out[a, b] = turn[a, 0] * matrix[0, b] + turn[a, 1] * matrix[1, b] + turn[a, 2] * matrix[2, b]
    return out


@compiled()
def refine(
    g: Array,
    intensity: Array,
    peaks: Array,
    amplitude: Array,
    precision: Array,
    floor: float,
    to_detector: Array,
    centre: Array,
    mask: Array,
    blocked: float,
    wavelength: float,
    precession: float,
    settings: Array,
    matrix: Array,
    state: Array,
    expected: Array,
    trust: Array,
    covariance: Array,
) -> None:
    """Fit orientation, thickness and strain in the plane to the peaks of one pattern.

    g (N, 3) and intensity (N,) are the reflections; peaks (n, 2) x, y in 1/Å with amplitude (n,), precision (n,) = 1/σ²
    and the amplitude `floor` that would have been seen; to_detector, centre, mask and blocked say where. settings: reach
    in excitation error, first radius of pairing, last one, stiffness of the strain, least and largest thickness, cycles.
    matrix (3, 3) and state (6,) = thickness, turn of the last cycle, strain xx, yy, xy, score are read and filled;
    filled are expected and trust (n,), and covariance (2, 2) of the tilts about x and y in radians².
    """
    reach, first_radius, last_radius, stiffness = settings[0], settings[1], settings[2], settings[3]
    cycles = int(settings[6])
    size = g.shape[0]
    near, flat = np.empty(size, np.int64), np.empty((size, 2))
    partner, visible = np.empty(size, np.int64), np.empty(size, np.bool_)
    weight, found = np.empty(size), np.zeros(4)
    point = np.zeros(3)
    faint = 0.0
    for cycle in range(cycles):
        share = cycle / max(1, cycles - 1)
        radius = first_radius * (1.0 - share) + last_radius * share
        for _ in range(2):
            number = project(g, matrix, wavelength, reach, precession, near, flat)
            pair(flat, number, state[2:5], peaks, radius, partner)
            weigh(g, intensity, near, number, matrix, wavelength, state[0], precession, weight)
            fit_plane(flat, number, partner, weight, peaks, precision, stiffness, found)
            turned = turn_about_beam(matrix, found[0])
            matrix[:] = turned
            state[1:5] = found
            state[1] = abs(found[0])
        number = project(g, matrix, wavelength, reach, precession, near, flat)
        pair(flat, number, state[2:5], peaks, radius, partner)
        judge(flat, number, partner, state[2:5], peaks, last_radius, to_detector, centre, mask, blocked, visible, trust)
        faint = brightness(
            g,
            intensity,
            near,
            number,
            partner,
            visible,
            matrix,
            wavelength,
            state[0],
            precession,
            amplitude,
            floor,
            expected,
        )
        point[0], point[1], point[2] = 0.0, 0.0, np.log(state[0])
        step = 0.012 if cycle == 0 else 0.004
        state[5] = descend(
            g,
            intensity,
            near,
            number,
            partner,
            visible,
            matrix,
            wavelength,
            precession,
            faint,
            amplitude,
            trust,
            settings[4],
            settings[5],
            step,
            point,
            expected,
        )
        matrix[:] = tilted(matrix, point[0], point[1])
        state[0] = np.exp(point[2])
    spread_of_tilt(
        g,
        intensity,
        near,
        number,
        partner,
        visible,
        matrix,
        wavelength,
        state[0],
        precession,
        faint,
        amplitude,
        trust,
        expected,
        covariance,
    )


@compiled()
def turn_about_beam(matrix: Array, angle: float) -> Array:
    """Return the matrix (3, 3) turned about z."""
    out = matrix.copy()
    c, s = np.cos(angle), np.sin(angle)
    for b in range(3):
        out[0, b] = c * matrix[0, b] - s * matrix[1, b]
        out[1, b] = s * matrix[0, b] + c * matrix[1, b]
    return out


@compiled()
def shine(
    g: Array, brightness: Array, matrix: Array, wavelength: float, thickness: float, precession: float, intensity: Array
) -> None:
    """Fill intensity (N,) of reflections g (N, 3) with |F|² brightness (N,) times their relrods."""
    for j in range(g.shape[0]):
        z = matrix[2, 0] * g[j, 0] + matrix[2, 1] * g[j, 1] + matrix[2, 2] * g[j, 2]
        square = g[j, 0] * g[j, 0] + g[j, 1] * g[j, 1] + g[j, 2] * g[j, 2]
        intensity[j] = brightness[j] * relrod(
            z + 0.5 * wavelength * square, thickness, precession * np.sqrt(square)
        )


@compiled()
def weigh(
    g: Array,
    intensity: Array,
    near: Array,
    number: int,
    matrix: Array,
    wavelength: float,
    thickness: float,
    precession: float,
    weight: Array,
) -> None:
    """Fill weight, 0 … 1, with how surely each spot is excited: faint ones may be paired with what is not theirs."""
    shine(g[near[:number]], intensity[near[:number]], matrix, wavelength, thickness, precession, weight)
    largest = max(weight[:number].max(), 1e-300) if number > 0 else 1.0
    for i in range(number):
        weight[i] = np.sqrt(weight[i] / largest)


@compiled()
def judge(
    flat: Array,
    number: int,
    partner: Array,
    strain: Array,
    peaks: Array,
    width: float,
    to_detector: Array,
    centre: Array,
    mask: Array,
    blocked: float,
    visible: Array,
    trust: Array,
) -> None:
    """Fill visible for every spot, and trust (n,) of every peak from its distance to the nearest spot that claims it."""
    trust[:] = 0.0
    for i in range(number):
        x = flat[i, 0] * (1.0 - strain[0]) - flat[i, 1] * strain[2]
        y = flat[i, 1] * (1.0 - strain[1]) - flat[i, 0] * strain[2]
        visible[i] = seen(x, y, to_detector, centre, mask, blocked)
        q = partner[i]
        if q >= 0:
            square = (x - peaks[q, 0]) ** 2 + (y - peaks[q, 1]) ** 2
            trust[q] = max(trust[q], np.exp(-2.0 * square / (width * width)))


@compiled()
def brightness(
    g: Array,
    intensity: Array,
    near: Array,
    number: int,
    partner: Array,
    visible: Array,
    matrix: Array,
    wavelength: float,
    thickness: float,
    precession: float,
    amplitude: Array,
    floor: float,
    expected: Array,
) -> float:
    """Return the expected intensity that would be measured with the amplitude `floor`."""
    expect(g, intensity, near, number, partner, visible, matrix, wavelength, thickness, precession, 0.0, expected)
    measured, model = 0.0, 0.0
    for q in range(amplitude.size):
        if expected[q] > 0.0:
            measured += amplitude[q] * np.sqrt(expected[q])
            model += expected[q]
    return (floor * model / measured) ** 2 if measured > 0.0 else 0.0


@compiled()
def descend(
    g: Array,
    intensity: Array,
    near: Array,
    number: int,
    partner: Array,
    visible: Array,
    matrix: Array,
    wavelength: float,
    precession: float,
    faint: float,
    amplitude: Array,
    trust: Array,
    thinnest: float,
    thickest: float,
    step: float,
    point: Array,
    expected: Array,
) -> float:
    """Move point (3,) = tilts about x and y in radians and log thickness to the best agreement, which is returned.

    The simplex of Nelder and Mead, doi 10.1093/comjnl/7.4.308, with edges `step` and a fifth of the thickness.
    """
    corners, values = np.empty((4, 3)), np.empty(4)
    trial = np.empty((3, 3))
    for k in range(4):
        corners[k] = point
        if k == 1 or k == 2:
            corners[k, k - 1] += step
        elif k == 3:
            corners[k, 2] += 0.2
    low, high = np.log(thinnest), np.log(thickest)
    for k in range(4):
        values[k] = -value_at(
            corners[k],
            g,
            intensity,
            near,
            number,
            partner,
            visible,
            matrix,
            wavelength,
            precession,
            faint,
            amplitude,
            trust,
            low,
            high,
            expected,
        )
    for _ in range(60):
        order = np.argsort(values)
        corners, values = corners[order], values[order]
        if values[3] - values[0] < 1e-6:
            break
        middle = (corners[0] + corners[1] + corners[2]) / 3.0
        trial[0] = 2.0 * middle - corners[3]
        first = -value_at(
            trial[0],
            g,
            intensity,
            near,
            number,
            partner,
            visible,
            matrix,
            wavelength,
            precession,
            faint,
            amplitude,
            trust,
            low,
            high,
            expected,
        )
        if values[0] <= first < values[2]:
            corners[3], values[3] = trial[0], first
            continue
        if first < values[0]:
            trial[1] = middle + 2.0 * (middle - corners[3])
        elif first < values[3]:
            trial[1] = middle + 0.5 * (middle - corners[3])
        else:
            trial[1] = middle - 0.5 * (middle - corners[3])
        second = -value_at(
            trial[1],
            g,
            intensity,
            near,
            number,
            partner,
            visible,
            matrix,
            wavelength,
            precession,
            faint,
            amplitude,
            trust,
            low,
            high,
            expected,
        )
        if second < min(first, values[3]):
            corners[3], values[3] = trial[1], second
        elif first < values[3]:
            corners[3], values[3] = trial[0], first
        else:
            for k in range(1, 4):
                corners[k] = 0.5 * (corners[0] + corners[k])
                values[k] = -value_at(
                    corners[k],
                    g,
                    intensity,
                    near,
                    number,
                    partner,
                    visible,
                    matrix,
                    wavelength,
                    precession,
                    faint,
                    amplitude,
                    trust,
                    low,
                    high,
                    expected,
                )
    best = int(np.argmin(values))
    point[:] = corners[best]
    point[2] = min(max(point[2], low), high)
    return -values[best]


@compiled()
def value_at(
    point: Array,
    g: Array,
    intensity: Array,
    near: Array,
    number: int,
    partner: Array,
    visible: Array,
    matrix: Array,
    wavelength: float,
    precession: float,
    faint: float,
    amplitude: Array,
    trust: Array,
    low: float,
    high: float,
    expected: Array,
) -> float:
    """Return the agreement at point (3,) = tilts and log thickness, kept within low … high."""
    thickness = np.exp(min(max(point[2], low), high))
    turned = tilted(matrix, point[0], point[1])
    lonely = expect(
        g, intensity, near, number, partner, visible, turned, wavelength, thickness, precession, faint, expected
    )
    return agreement(amplitude, trust, expected, lonely)


@compiled()
def spread_of_tilt(
    g: Array,
    intensity: Array,
    near: Array,
    number: int,
    partner: Array,
    visible: Array,
    matrix: Array,
    wavelength: float,
    thickness: float,
    precession: float,
    faint: float,
    amplitude: Array,
    trust: Array,
    expected: Array,
    covariance: Array,
) -> None:
    """Fill covariance (2, 2) of the tilts in radians² from what the fit leaves unexplained; infinite without a minimum.

    With n amplitudes of equal, unknown error the logarithm of the likelihood is −(n/2) log(1 − agreement²).
    """
    step, count = 0.003, 0
    for q in range(amplitude.size):
        count += amplitude[q] > 0.0
    values, point = np.empty((3, 3)), np.zeros(3)
    point[2] = np.log(thickness)
    for a in range(3):
        for b in range(3):
            point[0], point[1] = (a - 1) * step, (b - 1) * step
            value = value_at(
                point,
                g,
                intensity,
                near,
                number,
                partner,
                visible,
                matrix,
                wavelength,
                precession,
                faint,
                amplitude,
                trust,
                -20.0,
                20.0,
                expected,
            )
            values[a, b] = 0.5 * count * np.log(max(1e-6, 1.0 - value * value))
    xx = (values[2, 1] - 2.0 * values[1, 1] + values[0, 1]) / step**2
    yy = (values[1, 2] - 2.0 * values[1, 1] + values[1, 0]) / step**2
    xy = (values[2, 2] - values[2, 0] - values[0, 2] + values[0, 0]) / (4.0 * step**2)
    determinant = xx * yy - xy * xy
    if xx > 0.0 and yy > 0.0 and determinant > 0.0:
        covariance[0, 0], covariance[1, 1] = yy / determinant, xx / determinant
        covariance[0, 1] = covariance[1, 0] = -xy / determinant
    else:
        covariance[:] = 0.0
        covariance[0, 0] = covariance[1, 1] = np.inf
    point[0], point[1] = 0.0, 0.0
    value_at(
        point,
        g,
        intensity,
        near,
        number,
        partner,
        visible,
        matrix,
        wavelength,
        precession,
        faint,
        amplitude,
        trust,
        -20.0,
        20.0,
        expected,
    )
