"""Opens every file below a folder of vendors' small files, and compares with what is expected of each.

    python validation/vendor_files.py FOLDER

The files are test data of rosettasciio, ncempy and others, not part of this repository; `vendor_cases.py` lists them.
A file is right if it has the expected shape, type, calibration and values (by an independent read), or is refused with
the expected remedy. Prints one line for each expectation; ends with 1 if one is wrong, or a file has none.
"""

from __future__ import annotations

import argparse
import re
import sys
import warnings
from pathlib import Path

import numpy as np
from vendor_cases import CASES, Opens, Refused

from clustem import InputError, open_scan


def wrong(case: Opens | Refused, folder: Path) -> str:
    """Return what is not as expected; empty if all is right."""
    try:
        scan = open_scan(folder / case.file, **case.options)
        values = np.asarray(scan)
    except InputError as error:
        if isinstance(case, Opens):
            return f"was refused: {error}"
        return "" if re.search(case.words, str(error)) else f"expected {case.words!r} in: {error}"
    if isinstance(case, Refused):
        return f"opened as {scan.shape}"
    if (scan.shape, scan.dtype) != (case.shape, np.dtype(case.dtype)):
        return f"expected {case.shape} {case.dtype}, got {scan.shape} {scan.dtype}"
    found = scan.calibration.to_dict()
    same = found.keys() == case.calibration.keys() and all(
        np.allclose(found[name], value, rtol=1e-4) for name, value in case.calibration.items()
    )
    if not same:
        return f"expected {case.calibration}, got {found}"
    expected = case.values(folder / case.file)
    if scan.detector_mask is not None:
        expected = np.where(scan.detector_mask, expected, 0)
    return "" if np.array_equal(values, expected, equal_nan=True) else "values differ from the independent read"


def main() -> int:
    """Print what is right and wrong; return 1 if anything is wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    warnings.simplefilter("error")
    failures = 0
    for case in CASES:
        text = wrong(case, folder)
        failures += bool(text)
        what = f"{'×'.join(map(str, case.shape))} {case.dtype}" if isinstance(case, Opens) else "refused"
        options = ", ".join(f"{name}={value}" for name, value in case.options.items())
        print(f"{'WRONG' if text else 'right'}  {case.file} {f'({options}) ' if options else ''}{text or what}")
    listed = {case.file for case in CASES}
    unlisted = [p for p in sorted(folder.rglob("*")) if p.is_file() and p.relative_to(folder).as_posix() not in listed]
    for path in unlisted:
        print(f"WRONG  {path.relative_to(folder)}: nothing is expected of it")
    right = len(CASES) - failures
    print(f"{right} of {len(CASES)} expectations right, for {len(listed)} files; {len(unlisted)} files without one")
    return 1 if failures or unlisted else 0


if __name__ == "__main__":
    sys.exit(main())
