import pandas as pd

from clustem.results.exports import write_csv


def test_the_table_comes_back(demo_results, tmp_path):
    write_csv(demo_results, tmp_path)
    pd.testing.assert_frame_equal(
        pd.read_csv(tmp_path / "domains.csv"), demo_results.table, check_exact=False, rtol=1e-5, check_dtype=False
    )


def test_what_does_not_exist_is_empty(plain_results, tmp_path):
    write_csv(plain_results, tmp_path)
    header, first, *_ = (tmp_path / "domains.csv").read_text().splitlines()
    row = dict(zip(header.split(","), first.split(","), strict=True))
    assert row["mean_similarity"] == ""
    assert "area_nm2" not in row
