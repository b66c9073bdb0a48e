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
    places: Any,
    pixels: Any,
    values: Any,
) -> None:
    """Tables (3, m, m); peaks (n, 2); shapes (n, 4); places (k_y, k_x): pixels (n, w), values (n, w, 6).

    In the window of every peak, w = (2*reach+1)**2 pixels, their `places`, −1 outside of the detector or of the
    template, and what a unit of each coefficient adds there: the template; its negative derivatives times the
    intensity inside; the template times dy, dx and dy² + dx² − dome, in units of the radius.
    """
    last = tables.shape[1] - 1
    middle = last // 2
    height, width = places.shape
    for n in range(peaks.shape[0]):
        top, left = int(np.floor(peaks[n, 0] + 0.5)) - reach, int(np.floor(peaks[n, 1] + 0.5)) - reach
        m = -1
        for y in range(top, top + 2 * reach + 1):
            for x in range(left, left + 2 * reach + 1):
                m += 1
                pixels[n, m] = -1
                dy, dx = y - peaks[n, 0], x - peaks[n, 1]
                fine_y, fine_x = dy * oversampling + middle, dx * oversampling + middle
                outside = y < 0 or x < 0 or y >= height or x >= width
                if outside or fine_y < 0.0 or fine_x < 0.0 or fine_y >= last or fine_x >= last:
                    continue
                pixels[n, m] = places[y, x]
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


@compiled()
def add_disks(pixels: Any, values: Any, shapes: Any, model: Any) -> None:
    """Pixels (n, w), values (n, w, 6), shapes (n, 4): the disks are added to model (p,)."""
    for n in range(pixels.shape[0]):
        for m in range(pixels.shape[1]):
            p = pixels[n, m]
            if p >= 0:
                model[p] += values[n, m, 0] * shapes[n, 0] + values[n, m, 3] * shapes[n, 1]
                model[p] += values[n, m, 4] * shapes[n, 2] + values[n, m, 5] * shapes[n, 3]


@compiled()
def normal_equations(
    pixels: Any, values: Any, nodes: Any, shares: Any, weight: Any, misses: Any, order: Any, normal: Any, pull: Any
) -> None:
    """Pixels (n, w), values (n, w, 6); nodes, shares (p, 4); weight, misses (p,); order (c,): normal (c, c), pull (c,).

    The weighted normal matrix and right-hand side of 6 n coefficients of disks and, after them, those of the background
    nodes are added to, each in its row of `order`; only the lower triangle of the matrix.
    """
    number, window = pixels.shape
    starts = np.zeros(weight.size + 1, np.int64)
    for n in range(number):
        for m in range(window):
            if pixels[n, m] >= 0:
                starts[pixels[n, m] + 1] += 1
    for p in range(weight.size):
        starts[p + 1] += starts[p]
    entries, filled = np.empty(starts[-1], np.int64), starts[:-1].copy()
    for n in range(number):
        for m in range(window):
            p = pixels[n, m]
            if p >= 0:
                entries[filled[p]] = n * window + m
                filled[p] += 1
    most = 0
    for p in range(weight.size):
        most = max(most, starts[p + 1] - starts[p])
    rows, parts = np.empty(most * COLUMNS + nodes.shape[1], np.int64), np.empty(most * COLUMNS + nodes.shape[1])
    for p in range(weight.size):
        count = 0
        for e in range(starts[p], starts[p + 1]):
            n, m = entries[e] // window, entries[e] % window
            for c in range(COLUMNS):
                rows[count], parts[count] = order[n * COLUMNS + c], values[n, m, c]
                count += 1
        for i in range(nodes.shape[1]):
            rows[count], parts[count] = order[number * COLUMNS + nodes[p, i]], shares[p, i]
            count += 1
        for i in range(count):
            weighted = parts[i] * weight[p]
            pull[rows[i]] += weighted * misses[p]
            for j in range(count):
                if rows[j] <= rows[i]:
                    normal[rows[i], rows[j]] += weighted * parts[j]
