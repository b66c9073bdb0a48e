import os
import subprocess
import sys

import numba
import pytest

from clustem import compiling


def add(a, b):
    return a + b


def test_loops_are_kept_on_disk_where_that_can_be(monkeypatch):
    assert compiling.compiled()(add)(2, 3) == 5
    asked = []

    def refusing(*, cache=False, **options):
        asked.append((cache, options))
        if cache:
            raise RuntimeError("cannot cache function 'add': no locator available for file 'x.py'")
        return numba.njit(**options)

    monkeypatch.setattr(compiling, "njit", refusing)
    function = compiling.compiled(fastmath=True)(add)
    assert function(2, 3) == 5
    assert (
        asked == [{"nogil": True, "fastmath": True, "cache": True}, {"nogil": True, "fastmath": True}]
        or len(asked) == 2
    )
    assert function.py_func is add


@pytest.mark.skipif(sys.platform == "win32", reason="has no such locks")
def test_modules_that_compile_are_imported_by_one_process_at_a_time(tmp_path):
    (tmp_path / "slow.py").write_text(
        "import pathlib, time\n"
        "with pathlib.Path(__file__).with_name('log').open('a', buffering=1) as log:\n"
        "    log.write('in '); time.sleep(0.3); log.write('out ')\n"
    )
    path = os.pathsep.join([str(tmp_path), *sys.path])
    command = [sys.executable, "-c", "from clustem.compiling import import_compiling; import_compiling('slow')"]
    environment = {**os.environ, "PYTHONPATH": path, "TMPDIR": str(tmp_path)}
    running = [subprocess.Popen(command, env=environment) for _ in range(3)]
    assert [one.wait(timeout=60) for one in running] == [0, 0, 0]
    assert (tmp_path / "log").read_text().split() == ["in", "out"] * 3


def test_a_module_is_imported_where_there_are_no_locks(monkeypatch):
    monkeypatch.setattr(compiling.tempfile, "gettempdir", lambda: "/a folder that does not exist")
    monkeypatch.delitem(sys.modules, "this", raising=False)
    compiling.import_compiling("this")
    assert "this" in sys.modules
