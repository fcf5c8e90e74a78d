"""The mini profile, and its pipeline run from the start to the end."""

import asyncio
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rro.tasks.settings import Settings, load_settings
from rro.tasks.storage.warehouse import Warehouse

HERE = Path(__file__).parent
PROFILE = HERE / "mini.toml"
PLUGIN = HERE / "plugin"

Row = dict[str, Any]


def install_plugin() -> None:
    """Put the made-up environment, with its entry point, where Python finds packages."""
    if str(PLUGIN) not in sys.path:
        sys.path.append(str(PLUGIN))


def mini(**overrides: Any) -> Settings:
    """The mini profile's settings with changes on top."""
    return load_settings(str(PROFILE), overrides)


@dataclass(frozen=True)
class Ran:
    """A warehouse and the run in it."""

    warehouse: Warehouse
    run: str

    def rows(self, table: str, prefix: str = "") -> list[Row]:
        rows: list[Row] = self.warehouse.read(table, self.run, prefix).to_pylist()
        return rows

    def generations(self) -> dict[str, int]:
        """Shard to how often it was published."""
        return {manifest.shard: manifest.generation for manifest in self.warehouse.shards(self.run)}

    def copy(self, root: Path) -> "Ran":
        """The same in another folder, to go on with."""
        shutil.copytree(self.warehouse.root, root)
        return Ran(Warehouse(root), self.run)


def run_pipeline(root: Path | str, settings: Settings, run: str | None = None) -> Ran:
    """The whole pipeline in this process."""
    from rro.flows.pipeline import pipeline

    name = asyncio.run(pipeline(settings=settings, profile=str(PROFILE), run=run, warehouse=os.fspath(root)))
    return Ran(Warehouse(root), name)
