"""What the Prefect UI shows of a run: progress as it goes, tables, and Markdown with charts inside."""

import asyncio
import base64
import logging
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from typing import Any

from prefect.artifacts import (
    acreate_markdown_artifact,
    acreate_progress_artifact,
    acreate_table_artifact,
    aupdate_progress_artifact,
)

from rro.tasks.progress import Progress, listening

log = logging.getLogger(__name__)

EVERY_SECONDS = 3.0


def artifact_key(*words: str) -> str:
    """An artifact's key: lower case, digits and dashes, as Prefect demands."""
    return re.sub(r"[^a-z0-9]+", "-", "-".join(words).lower()).strip("-")


@asynccontextmanager
async def progress_shown(key: str, description: str) -> AsyncIterator[None]:
    """Keep a progress artifact up to date with what is reported while the block runs."""
    newest = [0.0]

    def hear(progress: Progress) -> None:
        newest[0] = 100.0 * progress.done / max(progress.total, 1)

    artifact = await acreate_progress_artifact(progress=0.0, key=key, description=description)
    with listening(hear):
        updates = asyncio.create_task(_update(artifact, newest))
        try:
            yield
        finally:
            updates.cancel()
            with suppress(asyncio.CancelledError):
                await updates
    await _set_progress(artifact, 100.0)


async def _update(artifact: Any, newest: list[float]) -> None:
    while True:
        await asyncio.sleep(EVERY_SECONDS)
        await _set_progress(artifact, newest[0])


async def _set_progress(artifact: Any, progress: float) -> None:
    """An exploration must not fail because its progress could not be shown."""
    try:
        await aupdate_progress_artifact(artifact, progress=progress)
    except Exception as error:  # noqa: BLE001 - whatever Prefect's client raises
        log.warning("progress was not shown: %s", error)


async def publish_table(key: str, rows: list[dict[str, Any]], description: str) -> None:
    """Rows as a searchable table."""
    plain = [{name: _cell(value) for name, value in row.items()} for row in rows]
    await acreate_table_artifact(table=plain, key=key, description=description)


async def publish_markdown(key: str, text: str, charts: dict[str, bytes], description: str) -> None:
    """Markdown, with PNG charts put inside so that no web host is needed."""
    images = [
        f"![{title}](data:image/png;base64,{base64.b64encode(png).decode()})" for title, png in charts.items()
    ]
    await acreate_markdown_artifact(markdown="\n\n".join([text, *images]), key=key, description=description)


def _cell(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 4)
    return value.isoformat() if isinstance(value, datetime) else value
