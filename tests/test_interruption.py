import signal
import subprocess
import sys

import pytest

PROGRAM = """
import sys
import clustem.formats
from clustem.__main__ import main

def interrupted_import(*args, **kwargs):
    import signal
    try:
        exec("signal.raise_signal({number})")
    except KeyboardInterrupt as error:
        raise {raised} from None

clustem.formats.open_scan = interrupted_import
sys.argv = ["clustem", "info", "clustem:film_au"]
main()
"""


@pytest.mark.parametrize("number", [int(signal.SIGINT), int(signal.SIGTERM)])
@pytest.mark.parametrize("raised", ["error", "ImportError('initialization failed')", "SystemExit(1)"])
def test_what_a_library_makes_of_an_interruption_ends_with_130(number, raised):
    program = PROGRAM.format(number=number, raised=raised)
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert ended.returncode == 130, ended.stderr
    assert "defect" not in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_signal_that_was_ignored_from_the_start_stays_ignored():
    program = (
        "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN); "
        "from clustem.interruption import interrupted, listen; listen(); "
        "signal.raise_signal(signal.SIGINT); print(interrupted())"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ended.stdout == "False\n"


def test_an_interruption_that_python_drops_ends_the_run(tmp_path):
    program = """
import signal
import sys
import weakref
from clustem.__main__ import main
import clustem.pipeline

class Thing:
    pass

def written(*args):
    thing = Thing()
    kept = weakref.ref(thing, lambda _: signal.raise_signal(signal.SIGTERM))
    del thing

clustem.pipeline.write_tables = written
sys.argv = ["clustem", "run", "clustem:film_au", "-o", sys.argv[1]]
main()
"""
    ended = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "out")], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 130
    assert "Traceback" not in ended.stderr
    assert list(tmp_path.iterdir()) == []
