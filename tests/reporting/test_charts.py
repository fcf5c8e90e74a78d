"""Charts are PNG images that differ where the figures do."""

import io
import subprocess
import sys

import duckdb
import matplotlib.image as mpimg
import numpy as np
import numpy.typing as npt
import pytest

from rro.tasks.reporting.charts import candidates_chart, margin_chart, reward_chart
from rro.tasks.reporting.summary import summarise


def pixels(png: bytes) -> npt.NDArray[np.float32]:
    assert png.startswith(b"\x89PNG\r\n")
    image: npt.NDArray[np.float32] = mpimg.imread(io.BytesIO(png))
    return image


def coloured(png: bytes) -> int:
    """Pixels that are neither grey, black nor white: what was drawn of the data."""
    image = pixels(png)[..., :3]
    return int(((image.max(axis=-1) - image.min(axis=-1)) > 0.3).sum())


def test_charts_show_their_data(little: duckdb.DuckDBPyConnection) -> None:
    summary = summarise(little, "late")
    for png in (candidates_chart(little, "late"), margin_chart(little, "late"), reward_chart(summary)):
        assert pixels(png).shape[:2] == (432, 768)
        assert coloured(png) > 1000


def test_two_bars_of_one_pair_each_cover_equal_areas(little: duckdb.DuckDBPyConnection) -> None:
    image = pixels(margin_chart(little, "late"))[..., :3]
    columns = np.flatnonzero(((image.max(axis=-1) - image.min(axis=-1)) > 0.3).sum(axis=0) > 200)
    bars = np.split(columns, np.flatnonzero(np.diff(columns) > 1) + 1)
    assert len(bars) == 2
    assert len(bars[0]) == pytest.approx(len(bars[1]), abs=2)


def test_a_run_without_data_gets_a_chart_that_says_so(little: duckdb.DuckDBPyConnection) -> None:
    empty = summarise(little, "nobody")
    for png in (candidates_chart(little, "nobody"), margin_chart(little, "early"), reward_chart(empty)):
        assert pixels(png).shape[:2] == (432, 768)
        assert coloured(png) == 0


def test_matplotlib_is_imported_only_for_a_chart() -> None:
    code = "import sys, rro.tasks.reporting.charts; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
