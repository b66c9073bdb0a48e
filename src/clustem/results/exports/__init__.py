"""Results as files of other programs, one module per format. Each writes whole files into a folder that exists."""

from clustem.results.exports.emd import write_emd, write_emd_cube
from clustem.results.exports.geojson import write_geojson, write_outlines
from clustem.results.exports.hspy import write_hspy
from clustem.results.exports.orientations import has_orix, write_ang, write_crystal_map, write_ctf
from clustem.results.exports.table import csv_names, write_csv
from clustem.results.exports.tiff import write_dark_fields, write_labels, write_tiff

__all__ = [
    "csv_names",
    "has_orix",
    "write_ang",
    "write_crystal_map",
    "write_csv",
    "write_ctf",
    "write_dark_fields",
    "write_emd",
    "write_emd_cube",
    "write_geojson",
    "write_hspy",
    "write_labels",
    "write_outlines",
    "write_tiff",
]
