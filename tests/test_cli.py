import errno
import os
import re
import signal
import subprocess
import sys
import time

import h5py
import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from clustem.cli import app

runner = CliRunner()


@pytest.fixture
def scan_file(tmp_path):
    path = tmp_path / "scan.npy"
    np.save(path, np.random.default_rng(0).poisson(5, (6, 7, 16, 16)).astype(np.uint16))
    return path


def test_demo_says_how_right_it_was(tmp_path):
    result = runner.invoke(app, ["demo", "-o", str(tmp_path / "out")])
    assert result.exit_code == 0
    assert "inside domains" in result.output
    assert float(result.output.split("inside domains")[1].split()[0]) > 0.97
    right, _, all_of_them = result.output.split("orientations          ")[2].split()[:3]
    assert int(right) >= int(all_of_them) - 2
    assert (tmp_path / "out" / "report.html").is_file()


def test_run_and_its_recipe(scan_file, tmp_path):
    options = [
        "--method",
        "published",
        "--threshold",
        "0.1",
        "--scan-step-nm",
        "0.4,0.5",
        "--energy-keV",
        "200",
        "--quiet",
    ]
    first = runner.invoke(app, ["run", str(scan_file), "-o", str(tmp_path / "out"), *options])
    assert (first.exit_code, first.output) == (0, "")
    again = runner.invoke(app, ["run", str(tmp_path / "out" / "recipe.toml"), "-o", str(tmp_path / "again")])
    assert again.exit_code == 0
    assert "domains" in again.output
    for name in ("results.h5", "report.html", "recipe.toml", "domains.csv", "labels.tif"):
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "again" / name).read_bytes()
    with h5py.File(tmp_path / "out" / "results.h5") as file:
        assert '"energy_keV": 200.0' in file["survey"].attrs["calibration"]


def test_help_shows_every_option_in_full_on_80_columns(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERMINAL_WIDTH", "80")
    shown = runner.invoke(app, ["run", "--help"]).output
    command = typer.main.get_command(app).commands["run"]
    for option in command.params:
        for name in (*option.opts, *option.secondary_opts) if option.param_type_name == "option" else ():
            assert re.search(rf"{name}\b", shown), name


def test_force(scan_file, tmp_path):
    command = ["run", str(scan_file), "-o", str(tmp_path / "out"), "--method", "published", "--threshold", "0.1", "-q"]
    assert runner.invoke(app, command).exit_code == 0
    refused = runner.invoke(app, command)
    assert refused.exit_code == 2
    assert "--force" in refused.stderr
    assert runner.invoke(app, [*command, "--force"]).exit_code == 0


def test_formats():
    result = runner.invoke(app, ["formats"])
    assert result.exit_code == 0
    for text in ("DECTRIS master", ".tvips", "unless compressed", "energy, scan step"):
        assert text in result.output


def test_info_of_a_snake_with_flyback_columns(tmp_path):
    np.save(tmp_path / "a.npy", np.random.default_rng(0).poisson(5, (9 * 11, 16, 16)).astype(np.uint16))
    result = runner.invoke(app, ["info", str(tmp_path / "a.npy"), "--snake", "--flyback", "2"])
    assert result.exit_code == 0
    assert "9×9 positions" in result.output
    assert "99 patterns were taken as 9×9, without 2 flyback columns" in result.output
    result = runner.invoke(app, ["info", str(tmp_path / "a.npy"), "--frame", "1"])
    assert result.exit_code == 2
    assert "frame=1 was given, but it holds one scan" in result.stderr


def test_info(scan_file):
    result = runner.invoke(app, ["info", str(scan_file)])
    assert result.exit_code == 0
    for text in (
        "6×7 positions",
        "16×16 pixels of uint16",
        "counts per pattern",
        "variance = mean",
        "not calibrated",
        "assumed",
    ):
        assert text in result.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "missing.h5", "-o", "out"], "there is no such file"),
        (["run", "clustem:film_au", "-o", "out", "--method", "published", "--threshold", "2"], "expected a cosine"),
        (["run", "clustem:film_au", "-o", "out", "--similarity", "2"], "similarity: expected a number between 0 and 1"),
        (
            ["run", "clustem:film_au", "-o", "out", "--method", "magic"],
            "method: expected one of noise-aware, published",
        ),
        (["run", "clustem:film_au", "-o", "out", "--threshold", "0.9"], "choose method 'published', or leave it out"),
        (["run", "clustem:film_au", "-o", "out", "--method", "labels"], "labels: method 'labels' needs a label image"),
        (["run", "clustem:film_au", "-o", "out", "--gain", "-1"], "gain: expected a finite number of at least 0"),
        (["run", "clustem:film_au", "-o", "out", "--offset", "nan"], "offset: expected a finite number"),
        (["run", "clustem:film_au", "-o", "out", "--scan-step-nm", "wide"], "expected numbers such as"),
        (["run", "clustem:film_au", "-o", "out", "--scan-shape", "3x3"], "scan_shape"),
        (["run", "clustem:film_au", "-o", "out", "--detector-mask", "outside_beam"], "one of outside-beam, beam-stop"),
        (["run", "clustem:film_au", "-o", "out", "--detector-mask", "annulus:40-8"], "with inner < outer"),
        (["run", "clustem:film_au", "-o", "out", "--dtype", "uint17"], "dtype: expected a number type"),
        (["run", "clustem:nothing", "-o", "out"], "there is no such sample"),
        (["run", "clustem:film_au", "-o", "."], "exists"),
        (["info", "missing.h5"], "there is no such file"),
        (["run", "clustem:film_au"], "Missing option"),
        (["run", "clustem:film_au", "-o", "out", "--nonsense"], "No such option"),
    ],
)
def test_what_the_user_got_wrong_ends_with_2(arguments, message, tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    if arguments[-1] == ".":
        arguments = [*arguments[:-1], str(tmp_path / "here")]
    result = runner.invoke(app, arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert "Traceback" not in result.stderr
    assert list((tmp_path / "here").iterdir()) == []


def test_defects_end_with_1(scan_file, tmp_path, monkeypatch):
    def broken(*args, **kwargs):
        raise ZeroDivisionError("defect")

    monkeypatch.setattr("clustem.run", broken, raising=False)
    result = runner.invoke(app, ["run", str(scan_file), "-o", str(tmp_path / "out")])
    assert result.exit_code == 1
    assert "ZeroDivisionError: defect" in result.stderr


def test_a_full_disk_ends_with_2_wherever_it_is_met(scan_file, tmp_path, monkeypatch):
    def full(*args, **kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("clustem.pipeline.segment", full)  # where the first run keeps its compiled loops
    result = runner.invoke(app, ["run", str(scan_file), "-o", str(tmp_path / "out")])
    assert result.exit_code == 2
    assert "the disk is full" in result.stderr
    assert "defect" not in result.stderr


def test_interruption_in_every_stage_leaves_nothing(scan_file, tmp_path, monkeypatch):
    for place in ("survey_scan", "segment", "average", "write_tables", "run_log"):

        def interrupted(*args, **kwargs):
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(f"clustem.pipeline.{place}", interrupted)
            result = runner.invoke(app, ["run", str(scan_file), "-o", str(tmp_path / "out"), "-q"])
        assert result.exit_code == 130, place
        assert [path.name for path in tmp_path.iterdir()] == ["scan.npy"], place


@pytest.mark.skipif(not hasattr(os, "fork"), reason="signals of this kind do not exist here")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_ends_the_program_with_130(number, tmp_path):
    patterns = np.random.default_rng(0).poisson(1, (24, 200, 96, 96)).astype(np.uint16)
    np.save(tmp_path / "scan.npy", patterns)
    command = [
        sys.executable,
        "-m",
        "clustem",
        "run",
        "scan.npy",
        "-o",
        "out",
        "--method",
        "published",
        "--smooth-sigma",
        "3",
        "-q",
    ]
    process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    time.sleep(2.5)
    process.send_signal(number)
    message = process.communicate(timeout=60)[1]
    assert process.returncode == 130, message
    assert "Traceback" not in message
    assert [path.name for path in tmp_path.iterdir()] == ["scan.npy"]


def test_version():
    result = runner.invoke(app, ["--version"])
    assert result.exit_code == 0
    assert result.output.startswith("clustem 0.")


def test_several_sources_are_a_series_in_natural_order(tmp_path, moving_particles):
    for number, counts in zip((9, 10), moving_particles[0][:2], strict=True):
        np.save(tmp_path / f"f_{number}.npy", counts)
    sources = [str(tmp_path / name) for name in ("f_10.npy", "f_9.npy")]  # as shells expand f_*.npy
    np.save(tmp_path / "mask.npy", np.hypot(*np.indices((32, 32)) - 15.5) < 14)
    options = ["--time-step", "2s", "--detector-mask", str(tmp_path / "mask.npy"), "--min-size", "6", "--gain", "1"]
    result = runner.invoke(app, ["run", *sources, "-o", str(tmp_path / "out"), *options])
    assert result.exit_code == 0, result.output
    assert "tracks  " in result.output
    recipe = (tmp_path / "out" / "recipe.toml").read_text(encoding="utf-8")
    assert recipe.index("f_9.npy") < recipe.index("f_10.npy")
    assert all(line in recipe for line in ('detector_mask = "inputs/detector_mask.npy"', "min_size = 6", "gain = 1.0"))
    again = runner.invoke(app, ["run", str(tmp_path / "out" / "recipe.toml"), "-o", str(tmp_path / "again"), "-q"])
    assert (again.exit_code, again.output) == (0, "")
    assert (tmp_path / "again" / "results.h5").read_bytes() == (tmp_path / "out" / "results.h5").read_bytes()


def test_options_of_scans_and_of_series_are_told_apart(scan_file, tmp_path):
    twice = ["run", str(scan_file), str(scan_file)]
    (tmp_path / "made").mkdir()
    for name in ("recipe.toml", "results.h5"):
        (tmp_path / "made" / name).write_text("")
    cases = (
        (["run", str(scan_file), "--time-step", "2s"], "--time-step: belongs to a series"),
        ([*twice, "--labels", "l.npy"], "--labels: is the label image of one scan"),
        ([*twice, "--per-position"], "--per-position: asks for maps of one scan"),
        ([*twice, "--frame", "1"], "--frame: chooses one scan, but all of a series are followed"),
        ([*twice, "--method", "labels"], "domains of a series are found in every frame"),
        ([*twice, "--crystal", "clustem:Au", "--strain-reference", "3"], "expected 'crystal' or 'median' for a series"),
        ([*twice, "--probe", "disk:3"], "probe: has no effect without a crystal"),
        ([*twice, "--precession-deg", "1"], "precession_deg: has no effect without a crystal"),
        (["watch", str(tmp_path), "--precession-deg", "1"], "precession_deg: has no effect without a crystal"),
        (["watch", str(tmp_path), "--threshold", "0.9"], "choose method 'published', or leave it out"),
        (["run", "clustem:film_au", "--precession-deg", "1", "--probe", "disk:3"], "there is none; give --crystal"),
        (["run", str(tmp_path / "f_*.npy")], "no file has such a name"),
        (["run", str(tmp_path / "made")], "to repeat its run, give its recipe: clustem run"),
        (["watch", str(tmp_path / "made")], "to repeat its run, give its recipe: clustem run"),
        (["watch", str(tmp_path / "missing")], "no such folder"),
    )
    for command, told in cases:
        result = runner.invoke(app, [*command, "-o", str(tmp_path / "out")])
        assert result.exit_code == 2
        assert told in result.stderr
    assert not (tmp_path / "out").exists()


def test_files_that_hold_several_scans_are_series(tmp_path):
    from clustem.cli.sources import is_series

    counts = np.zeros((2, 3, 4, 8, 8), np.uint16)
    np.save(tmp_path / "five.npy", counts)
    np.save(tmp_path / "four.npy", counts[0])
    np.save(tmp_path / "one.npy", counts[:1])
    (tmp_path / "broken.npy").write_bytes(b"\x93NUMPY")
    with h5py.File(tmp_path / "several.h5", "w") as file:
        file["a"], file["b"] = counts
    with h5py.File(tmp_path / "frames.h5", "w") as file:
        file["frame_9/counts"], file["frame_10/counts"] = counts
    expected = {
        "five.npy": True,
        "four.npy": False,
        "one.npy": False,
        "broken.npy": False,
        "several.h5": True,
        "frames.h5": True,
        "several.h5::/a": False,
        "": True,
        "f*.npy": True,
        "missing.npy": False,
    }
    found = {name: is_series([str(tmp_path / name)], dataset=None, frame=None, meant=True) for name in expected}
    assert found == expected
    assert not is_series([str(tmp_path / "five.npy")], dataset=None, frame=1)
    assert not is_series([str(tmp_path / "several.h5")], dataset="/a", frame=None)
    assert is_series([str(tmp_path / "frames.h5")], dataset=None, frame=None)
    assert is_series([str(tmp_path / "five.npy")], dataset=None, frame=None)
    result = runner.invoke(app, ["run", str(tmp_path / "several.h5"), "-o", str(tmp_path / "out")])
    assert result.exit_code == 2
    told = r"choose one, .*several.h5::/a.* --dataset /a.*follow all of them with --series, or --time-step 12s"
    assert re.search(told, result.stderr)
    result = runner.invoke(app, ["run", str(tmp_path / "four.npy"), "--series", "-o", str(tmp_path / "out")])
    assert result.exit_code == 2
    assert "--series: belongs to a series, but the source is one scan" in result.stderr
