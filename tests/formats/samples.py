"""Small files of binary formats, written field by field as their programs do; counts are (scan_y, scan_x, k_y, k_x)."""

from __future__ import annotations

import json
import struct
from itertools import pairwise
from pathlib import Path

import numpy as np

COUNTS = np.random.default_rng(7).poisson(40, (3, 4, 8, 8)).astype(np.uint16)


def flat(counts):
    return counts.reshape(-1, *counts.shape[-2:])


def inside_out(counts):
    """Return counts as older programs of Gatan store them: (k_y, k_x, scan_y, scan_x)."""
    return np.ascontiguousarray(counts.transpose(2, 3, 0, 1))


def write_blo(path, counts=COUNTS, *, step=(2.5, 2.0), volts=200_000):
    scan_y, scan_x, side, _ = counts.shape
    offset = 4096 + scan_y * scan_x
    head = struct.pack(
        "<6sH3I5H2dIHI",
        b"IMGBLO",
        0x0102,
        4096,
        offset,
        131141,
        side,
        0,
        scan_x,
        scan_y,
        0,
        step[1],
        step[0],
        volts,
        6226,
        2000,
    )
    frames = b"".join(b"\xaa\x55" + struct.pack("<I", k) + f.tobytes() for k, f in enumerate(flat(counts).astype("u1")))
    path.write_bytes(head.ljust(offset, b"\0") + frames)
    return path


def write_tvips(path, counts=COUNTS, *, lead=0, trail=0, split=None, bits=16, version=2):
    """Write a stream; `split` are the numbers of frames of its files; `path` ends in _000.tvips."""
    frames = flat(counts).astype(f"<u{bits // 8}")
    blank = np.zeros_like(frames[:1])
    rows = [(0, blank[0])] * lead + [(k + 1, f) for k, f in enumerate(frames)] + [(0, blank[0])] * trail
    head = struct.pack("<13I", 256, version, frames.shape[2], frames.shape[1], bits, 0, 0, 1, 1, 1, 200, 80, 60)
    before = 12 if version == 1 else 60
    records = [struct.pack("<15I", 0, 0, 0, 0, 0, 80, 2, *(0,) * 5, n, 0, 0)[:before] + f.tobytes() for n, f in rows]
    edges = np.cumsum([0, *(split or [len(records)])])
    for part, (start, stop) in enumerate(pairwise(edges)):
        content = b"".join(records[start:stop])
        path.with_name(path.name.replace("_000", f"_{part:03}")).write_bytes(
            content if part else head.ljust(256, b"\0") + content
        )
    return path


def write_empad(path, counts=None, *, shape_in="pix", measured="", series=False):
    """Write an .xml and its .raw with two more rows; the patterns have 128×128 pixels."""
    counts = np.random.default_rng(3).normal(size=(2, 3, 128, 128)).astype("<f4") if counts is None else counts
    scan_y, scan_x = counts.shape[:2]
    name = f"scan_x{scan_x}_y{scan_y}.raw"
    shape = f"<pix_x>{scan_x}</pix_x><pix_y>{scan_y}</pix_y>" if shape_in == "pix" else ""
    if series:
        shape = f"<scan_parameters><series_count>{scan_y * scan_x}</series_count></scan_parameters>"
    path.write_text(
        f'<root name="acquisition_1"><raw_file filename="{name}"/>{shape}'
        f"<iom_measurements>{measured}</iom_measurements></root>"
    )
    extra = np.full((scan_y * scan_x, 2, 128), np.nan, "<f4")
    path.with_name(name).write_bytes(np.concatenate([flat(counts), extra], axis=1).astype("<f4").tobytes())
    return path


def write_mrc(path, frames, *, mode=6, order="<", extended=b"", number=None):
    kinds = {0: "u1", 1: "i2", 2: "f4", 6: "u2", 12: "f2"}
    head = bytearray(1024)
    struct.pack_into(order + "4I", head, 0, frames.shape[2], frames.shape[1], number or len(frames), mode)
    struct.pack_into(order + "I", head, 92, len(extended))
    head[208:216] = b"MAP " + (b"\x11\x11\0\0" if order == ">" else b"\x44\x44\0\0")
    path.write_bytes(bytes(head) + extended + frames.astype(order + kinds.get(mode, "u2")).tobytes())
    return path


def write_de(path, counts=COUNTS, *, frames=None, coordinates=None, **info):
    """Write a movie with its _info.txt and, for positions (x, y), _scan_coordinates.csv; `path` ends in _movie.mrc."""
    stem = path.name.removesuffix("_movie.mrc")
    values = {
        "Scan - Enable": "Enable",
        "Scan - Type": "Raster" if coordinates is None else "XY File",
        "Scan - Size X": counts.shape[1],
        "Scan - Size Y": counts.shape[0],
        "Instrument Accelerating Voltage (V)": 300000,
        "Specimen Pixel Size X (nanometers)": 0.5,
        "Specimen Pixel Size Y (nanometers)": 0.25,
    } | info
    path.with_name(f"{stem}_info.txt").write_text("".join(f"{k:<40} = {v}\n" for k, v in values.items()))
    if coordinates is not None:
        text = "".join(f"{x},{y}\n" for x, y in coordinates)
        path.with_name(f"{stem}_scan_coordinates.csv").write_text(text)
    return write_mrc(path, flat(counts) if frames is None else frames)


def write_tia(path, counts=COUNTS, *, pixel=2e8, valid=None, kind=0x4122, version=0x0220, step=(3e-9, 2e-9), emi=True):
    """Write path_1.ser with spectra, path_2.ser with the patterns, and the .emi; return the last."""
    scan_y, scan_x, rows, columns = counts.shape
    total = scan_y * scan_x

    def dimension(size, delta):
        return struct.pack("<IddII8sI6s", size, 0.0, delta, 0, 8, b"Position", 6, b"meters")

    wide = version >= 0x0220
    number = "<Q" if wide else "<I"
    dimensions = dimension(scan_x, step[1]) + dimension(scan_y, step[0])
    table = (34 if wide else 30) + len(dimensions)
    first = table + 2 * total * struct.calcsize(number)
    image = struct.pack("<ddIddIHII", -columns / 2 * pixel, pixel, 0, -rows / 2 * pixel, pixel, 0, 6, columns, rows)
    size = len(image) + rows * columns * 4
    elements = b"".join(image + frame[::-1].astype("<i4").tobytes() for frame in flat(counts))
    for suffix, this_kind in (("_1", 0x4120), ("_2", kind)):
        head = struct.pack(
            "<3H4I", 0x4949, 0x0197, version, this_kind, 0x4142, total, total if valid is None else valid
        )
        places = b"".join(struct.pack(number, first + k * size) for k in range(total))
        content = head + struct.pack(number + "I", table, 2) + dimensions + places * 2 + elements
        path.with_name(f"{path.stem}{suffix}.ser").write_bytes(content)
    if emi:
        path.write_bytes(b"\0" * 50 + b"<ObjectInfo><AcceleratingVoltage>200000</AcceleratingVoltage></ObjectInfo>")
    return path


def write_prz(path, counts=COUNTS, *, kinds=("CameraX", "CameraY", "ScanX", "ScanY"), compressed=False, about=True):
    """Write a .prz; `kinds` are the axes from the fastest to the slowest."""
    scan = {"name": "Length", "value": 2e-9, "unit": "m", "offset": 0.0, "pixel_factor": 1.0}
    camera = {"name": "Angle", "value": 1e-3, "unit": "rad", "offset": 0.0, "pixel_factor": 0.5}
    calibrations = [scan if kind.startswith("Scan") else camera for kind in kinds]
    text = json.dumps([{"content.types": list(kinds), "device.calib": calibrations, "electron_gun.voltage": 200000}])
    arrays = {"data": counts, "file_format_version": np.array(2)} | (
        {"meta_data_json": np.array(text)} if about else {}
    )
    with path.open("wb") as file:
        (np.savez_compressed if compressed else np.savez)(file, **arrays)
    return path


def write_dm(path, data, *, units=None, swapped=True, scale=0.5, origin=4.0, code=10, version=4):
    """Write a .dm3 or .dm4 with one image whose axes, from slow to fast, have these units."""
    wide = version == 4

    def number(value):
        return struct.pack(">Q" if wide else ">I", value)

    def tag(kind, name, content):
        size = number(len(content)) if wide else b""
        return struct.pack(">BH", kind, len(name)) + name.encode() + size + content

    def group(name, *tags):
        content = b"\1\0" + number(len(tags)) + b"".join(tags)
        return content if name is None else tag(20, name, content)

    def value(name, info, content):
        return tag(21, name, b"%%%%" + number(len(info)) + b"".join(map(number, info)) + content)

    def text(name, string):
        return value(name, [20, 4, len(string)], string.encode("utf-16-le"))

    units = [""] * data.ndim if units is None else units
    axes = [
        group(
            "",
            value("Origin", [6], struct.pack("<f", origin)),
            value("Scale", [6], struct.pack("<f", scale)),
            text("Units", unit),
        )
        for unit in units[::-1]
    ]
    image_data = group(
        "ImageData",
        group("Calibrations", group("Dimension", *axes)),
        value("Data", [20, {10: 4, 6: 10, 2: 6}.get(code, 4), data.size], data.tobytes()),
        value("DataType", [5], struct.pack("<I", code)),
        group("Dimensions", *(value("", [5], struct.pack("<I", size)) for size in data.shape[::-1])),
    )
    meta = group("Meta Data", text("Format", "Diffraction image"), value("Data Order Swapped", [8], bytes([swapped])))
    microscope = group("Microscope Info", value("Voltage", [6], struct.pack("<f", 200000.0)))
    some = value("Range", [15, 0, 2, 0, 6, 0, 6], bytes(8))
    many = value("CLUT", [20, 15, 0, 3, 0, 2, 0, 2, 0, 2, 4], bytes(24))
    root = group(None, group("ImageList", group("", image_data, group("ImageTags", meta, microscope), some, many)))
    head = struct.pack(">I", version) + number(len(root)) + struct.pack(">I", 1)
    path.write_bytes(head + root)
    return path


def write_mib(path, counts=COUNTS):
    """Write a .mib whose time stamps tell the rows, and its .hdr."""
    frames = flat(counts).astype(">u2")
    content = []
    for k, frame in enumerate(frames):
        seconds = k // counts.shape[1] + k % counts.shape[1] * 0.001
        text = (
            f"MQ1,{k + 1:06},00384,01,{frame.shape[1]:04},{frame.shape[0]:04},U16,   1x1,01,"
            f"2021-05-07 18:51:{seconds:09.6f},0.100000,0,0,0,4.0E+1,5.11E+2,3RX,068,511,MQ1A,"
            f"2021-05-07T18:51:{seconds:012.9f}Z,100000ns,12,"
        )
        content.append(text.encode().ljust(384, b"\0") + frame.tobytes())
    path.write_bytes(b"".join(content))
    path.with_suffix(".hdr").write_text(
        "HDR,\t\n"
        f"Frames in Acquisition (Number):\t{len(frames)}\nFrames per Trigger (Number):\t{counts.shape[1]}\nEnd\t\n"
    )
    return path


def write_binary(folder: Path) -> list[Path]:
    """Write one file of every binary format; return those to open."""
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "array.npy", COUNTS)
    np.savez(folder / "stored.npz", counts=COUNTS, energy_keV=200)
    np.savez_compressed(folder / "packed.npz", counts=COUNTS)
    return [
        folder / "array.npy",
        folder / "stored.npz",
        folder / "packed.npz",
        write_blo(folder / "astar.blo"),
        write_tvips(folder / "video_000.tvips", COUNTS[:, :3], lead=2, split=[5, 6]),
        write_empad(folder / "empad.xml"),
        write_de(folder / "movie_movie.mrc"),
        write_de(folder / "list_movie.mrc", coordinates=[(x, y) for y in range(3) for x in range(4)]),
        write_tia(folder / "tia.emi"),
        write_prz(folder / "rhei.prz"),
        write_prz(folder / "packed.prz", compressed=True),
        write_dm(folder / "gatan.dm4", COUNTS, units=["nm", "nm", "1/nm", "1/nm"]),
        write_dm(folder / "gatan.dm3", inside_out(COUNTS), units=["1/nm", "1/nm", "nm", "nm"], version=3),
        write_mib(folder / "merlin.mib"),
    ]
