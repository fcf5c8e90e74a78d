"""A hundred thousand products are imported and opened in little memory; `make bench` tells how quickly."""

import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARK = Path(__file__).parents[1] / "benchmarks/shop.py"
PRODUCTS = 100_000


def measured(name: str, *words: str) -> dict[str, float]:
    """The figures of one part of the benchmark, by label."""
    command = [sys.executable, str(BENCHMARK), "part", name, *words]
    ended = subprocess.run(command, capture_output=True, text=True, check=True)
    lines = [line.rsplit("  ", 1) for line in ended.stdout.splitlines()]
    return {label.strip(): float(value.split()[0].replace(",", "")) for label, value in lines}


@pytest.mark.slow
def test_a_hundred_thousand_products(tmp_path: Path) -> None:
    raw, shop = str(tmp_path / "raw"), str(tmp_path / "shop")
    measured("write", raw, str(PRODUCTS))
    imported = measured("take", raw, shop)
    played = measured("play", shop)
    # Megabytes; opened without the folder `search`, the shop takes 809 (and 33 s).
    assert imported["peak memory"] < 450
    assert played["memory after start-up"] < 350
    assert played["reward of the attainable"] > 0.99
