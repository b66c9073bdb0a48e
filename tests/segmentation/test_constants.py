from pathlib import Path

import pytest

from clustem.segmentation.constants import constants_table
from clustem.segmentation.features.constants import FEATURES
from clustem.segmentation.noise_aware.constants import BACKGROUND, CONFIDENCE, MIXTURES, SEGMENTATION

RECORDS = [FEATURES, SEGMENTATION, MIXTURES, BACKGROUND, CONFIDENCE]
PAGE = Path(__file__).parents[2] / "docs" / "noise-aware.md"


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: type(record).__name__)
def test_the_table_of_the_docs_is_that_of_the_record(record):
    assert constants_table(record) in PAGE.read_text(encoding="utf-8")


def test_a_table_has_a_line_for_every_number():
    assert len(constants_table(MIXTURES).splitlines()) == 2 + len(vars(type(MIXTURES)()))
