"""The manifest of a shard: which parts belong to it. It is written last, so what it lists is whole."""

from dataclasses import asdict, dataclass, field
from typing import Any

from rro.tasks.errors import UserError
from rro.tasks.storage.files import from_json
from rro.tasks.storage.tables import SCHEMA_VERSION

MANIFEST = "manifest.json"


@dataclass(frozen=True, slots=True)
class Part:
    """One Parquet file of a shard."""

    table: str
    file: str
    """Name inside the shard's folder."""
    rows: int
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """What one published shard holds."""

    run: str
    shard: str
    generation: int
    """1 for the first publication, one more each time the shard is published again."""
    schema_version: int
    code_version: str
    parts: tuple[Part, ...]
    facts: dict[str, Any] = field(default_factory=dict)
    """What the publisher wanted to remember, for example seconds and counts."""

    def part(self, table: str) -> Part | None:
        """The part that holds `table`, None where the shard was published without it."""
        return next((part for part in self.parts if part.table == table), None)

    @property
    def rows(self) -> dict[str, int]:
        """Rows of every table in the shard."""
        return {part.table: part.rows for part in self.parts}

    def as_json(self) -> dict[str, Any]:
        """Plain values, for the file."""
        return asdict(self)


def parse_manifest(content: bytes, where: str) -> Manifest:
    """The manifest that a file `where` holds; `UserError` where it is damaged or of another table layout."""
    values = from_json(content, where)
    if values.get("schema_version") != SCHEMA_VERSION:
        raise UserError(
            f"{where}: written with table layout {values.get('schema_version')}, this version of rro reads "
            f"{SCHEMA_VERSION}; read it with the version that wrote it ({values.get('code_version')})"
        )
    try:
        parts = tuple(Part(**part) for part in values.pop("parts"))
        return Manifest(parts=parts, **values)
    except (KeyError, TypeError) as error:
        folder = where.rpartition("/")[0]
        raise UserError(f"{where}: not a manifest ({error}); delete {folder} and resume the run") from error
