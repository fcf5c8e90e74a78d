"""Values by key, looked up in any order, on the disk: for tables that may be larger than memory."""

import json
import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Any


class KeyedTable:
    """JSON values by key in a temporary SQLite file; of equal keys the last one counts, as in JSON."""

    def __init__(self, path: Path, entries: Iterable[tuple[str, Any]]) -> None:
        self._path = path
        self._database = sqlite3.connect(path)
        self._database.execute("PRAGMA journal_mode = OFF")
        self._database.execute("PRAGMA synchronous = OFF")
        self._database.execute("CREATE TABLE entry (key TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID")
        rows = ((key, json.dumps(value)) for key, value in entries)
        self._database.executemany("INSERT OR REPLACE INTO entry VALUES (?, ?)", rows)
        self._database.commit()

    def get(self, key: str) -> Any:
        """The value of a key; None if there is none."""
        found = self._database.execute("SELECT value FROM entry WHERE key = ?", (key,)).fetchone()
        return json.loads(found[0]) if found else None

    def close(self) -> None:
        """Forget everything."""
        self._database.close()
        self._path.unlink()
