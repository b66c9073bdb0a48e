import numba

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
