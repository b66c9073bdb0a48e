"""Compiled loops of peak finding."""

from __future__ import annotations

from typing import Any

import numpy as np

from clustem.compiling import compiled

COLUMNS = 6  # of a peak: intensity, move along y, move along x, slope along y, slope along x, dome


@compiled()
def match_template(
    pattern: Any, misfit: Any, use: Any, template: Any, window: Any, gain: Any, floor: Any, least: Any, out: Any
) -> None:
    """pattern, misfit, use (k_y, k_x); template, window (2h+1, 2h+1): out (3, k_y, k_x).

    Around every pixel, where `window` is true, the pattern is fitted with template and constant: amplitude, its
    standard deviation if there is only the constant, and the correlation of pattern and template. The variance of a
    pixel is gain times the constant, which is taken for `least` if it is less, plus floor, plus misfit. They are
    0, infinity, 0 where less than half of the template is in use.
    """
    height, width = pattern.shape
    half = template.shape[0] // 2
    whole = template.sum()
    for y in range(height):
        for x in range(width):
            n = st = stt = sp = spp = stp = sv = stv = sttv = 0.0
            for j in range(max(0, y - half), min(height, y + half + 1)):
                for i in range(max(0, x - half), min(width, x + half + 1)):
                    if use[j, i] and window[j - y + half, i - x + half]:
                        t, p, v = template[j - y + half, i - x + half], pattern[j, i], misfit[j, i]
                        n += 1.0
                        st += t
                        stt += t * t
                        sp += p
                        spp += p * p
                        stp += t * p
                        sv += v
                        stv += t * v
                        sttv += t * t * v
            out[0, y, x], out[1, y, x], out[2, y, x] = 0.0, np.inf, 0.0
            if st < 0.5 * whole:
                continue
            mean = st / n
            tt, pp, tp = stt - st * mean, spp - sp * sp / n, stp - mean * sp
            if tt > 0.0:
                ground = (sp - st * tp / tt) / n
                noise = tt * (gain * max(ground, least) + floor) + sttv - 2.0 * mean * stv + mean * mean * sv
                out[0, y, x] = tp / tt
                out[1, y, x] = np.sqrt(max(noise, 0.0)) / tt
                out[2, y, x] = tp / np.sqrt(tt * pp) if pp > 0.0 else 0.0


@compiled()
def disk_columns(
    tables: Any,
    oversampling: Any,
    radius: Any,
    dome: Any,
    peaks: Any,
    shapes: Any,
    reach: Any,
    pixels: Any,
    values: Any,
) -> None:
    """tables (3, m, m); peaks (n, 2); shapes (n, 4): pixels (n, w, 2), values (n, w, 6), w = (2*reach+1)**2.

    In the window of every peak the pixels (y, x), also outside of the detector, and what a unit of each coefficient
    adds there: the template; its negative derivatives times the intensity inside; the template times dy, dx and
    dy² + dx² − dome, in units of the radius.
    """
    last = tables.shape[1] - 1
    middle = last // 2
    for n in range(peaks.shape[0]):
        top, left = int(np.floor(peaks[n, 0] + 0.5)) - reach, int(np.floor(peaks[n, 1] + 0.5)) - reach
        m = 0
        for y in range(top, top + 2 * reach + 1):
            for x in range(left, left + 2 * reach + 1):
                pixels[n, m, 0], pixels[n, m, 1] = y, x
                values[n, m] = 0.0
                dy, dx = y - peaks[n, 0], x - peaks[n, 1]
                fine_y, fine_x = dy * oversampling + middle, dx * oversampling + middle
                if 0.0 <= fine_y < last and 0.0 <= fine_x < last:
                    a, b = int(fine_y), int(fine_x)
                    v, u = fine_y - a, fine_x - b
                    for c in range(3):
                        upper = tables[c, a, b] * (1 - u) + tables[c, a, b + 1] * u
                        lower = tables[c, a + 1, b] * (1 - u) + tables[c, a + 1, b + 1] * u
                        values[n, m, c] = upper * (1 - v) + lower * v
                    dy, dx = dy / radius, dx / radius
                    curve = dy * dy + dx * dx - dome
                    inside = shapes[n, 0] + shapes[n, 1] * dy + shapes[n, 2] * dx + shapes[n, 3] * curve
                    template = values[n, m, 0]
                    values[n, m, 1] *= -inside
                    values[n, m, 2] *= -inside
                    values[n, m, 3], values[n, m, 4], values[n, m, 5] = template * dy, template * dx, template * curve
                m += 1
