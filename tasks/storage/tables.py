"""The tables, one PyArrow schema each. `COMMON` columns stand first in every table that a walk writes.

Ids are made from what a row is (run, iteration, task, step, candidate, rollout), so a repeated shard replaces
itself and never doubles. Units: tokens and environment steps are counts, seconds are wall clock, values and
outcomes lie in [0, 1].
"""

from collections.abc import Iterable, Mapping
from typing import Any

import pyarrow as pa

SCHEMA_VERSION = 3

COMMON = [
    ("run", pa.string()),
    ("iteration", pa.int32()),
    ("strategy", pa.string()),
    ("policy", pa.string()),
    ("environment", pa.string()),
    ("task", pa.string()),
]
COST = [
    ("generated_tokens", pa.int64()),
    ("prompt_tokens", pa.int64()),
    ("cached_tokens", pa.int64()),
]
MESSAGES = pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))

TABLES: dict[str, pa.Schema] = {
    "runs": pa.schema(
        [
            ("run", pa.string()),
            ("profile", pa.string()),
            ("seed", pa.int64()),
            ("settings", pa.string()),
            ("settings_digest", pa.string()),
            ("code_version", pa.string()),
            ("status", pa.string()),
            ("reason", pa.string()),
            ("started_at", pa.timestamp("us", tz="UTC")),
            ("finished_at", pa.timestamp("us", tz="UTC")),
        ]
    ),
    "stages": pa.schema(
        [
            ("run", pa.string()),
            ("iteration", pa.int32()),
            ("stage", pa.string()),
            ("seconds", pa.float64()),
            ("peak_memory_mib", pa.float64()),
            ("finished_at", pa.timestamp("us", tz="UTC")),
        ]
    ),
    "comparisons": pa.schema(
        [
            ("run", pa.string()),
            ("budget", pa.string()),
            ("arm", pa.string()),
            ("place", pa.int32()),
            ("seed", pa.int64()),
            ("arm_run", pa.string()),
            ("settings", pa.string()),
        ]
    ),
    "policies": pa.schema(
        [
            ("policy", pa.string()),
            ("run", pa.string()),
            ("iteration", pa.int32()),
            ("stage", pa.string()),
            ("parent", pa.string()),
            ("dataset", pa.string()),
            ("dataset_rows", pa.int64()),
            ("settings", pa.string()),
            ("seed", pa.int64()),
            ("code_version", pa.string()),
            ("path", pa.string()),
            ("weights_digest", pa.string()),
            ("created_at", pa.timestamp("us", tz="UTC")),
        ]
    ),
    "episodes": pa.schema(
        [
            *COMMON,
            ("episode", pa.string()),
            ("stage", pa.string()),
            ("split", pa.string()),
            ("temperature", pa.float64()),
            ("instruction", pa.string()),
            ("first_observation", pa.string()),
            ("start_value", pa.float64()),
            ("steps", pa.int32()),
            ("outcome", pa.float64()),
            ("raw_reward", pa.float64()),
            ("best", pa.float64()),
            ("success", pa.bool_()),
            ("ended", pa.string()),
            *COST,
            ("unused_rollouts", pa.int32()),
            ("environment_steps", pa.int64()),
            ("environment_seconds", pa.float64()),
            ("seconds", pa.float64()),
        ]
    ),
    "steps": pa.schema(
        [
            *COMMON,
            ("stage", pa.string()),
            ("episode", pa.string()),
            ("step", pa.string()),
            ("step_index", pa.int32()),
            ("action", pa.string()),
            ("observation", pa.string()),
            ("valid", pa.bool_()),
            ("done", pa.bool_()),
            ("candidates", pa.int32()),
            ("chosen", pa.string()),
            ("value", pa.float64()),
            ("previous", pa.float64()),
            ("rose", pa.bool_()),
            ("stop_reason", pa.string()),
        ]
    ),
    "candidates": pa.schema(
        [
            *COMMON,
            ("episode", pa.string()),
            ("step", pa.string()),
            ("candidate", pa.string()),
            ("step_index", pa.int32()),
            ("candidate_index", pa.int32()),
            ("drawn_by", pa.string()),
            ("action", pa.string()),
            ("canonical", pa.string()),
            ("duplicate_of", pa.string()),
            ("contrast", pa.bool_()),
            ("observation", pa.string()),
            ("valid", pa.bool_()),
            ("done", pa.bool_()),
            ("value", pa.float64()),
            ("previous", pa.float64()),
            ("rose", pa.bool_()),
            ("chosen", pa.bool_()),
            ("rollouts_planned", pa.int32()),
            ("rollouts_done", pa.int32()),
            ("stop_reason", pa.string()),
            ("scorer", pa.string()),
            ("temperature", pa.float64()),
            ("seed", pa.int64()),
            ("reused", pa.bool_()),
            *COST,
        ]
    ),
    "rollouts": pa.schema(
        [
            *COMMON,
            ("episode", pa.string()),
            ("candidate", pa.string()),
            ("rollout", pa.string()),
            ("step_index", pa.int32()),
            ("candidate_index", pa.int32()),
            ("rollout_index", pa.int32()),
            ("scorer", pa.string()),
            ("temperature", pa.float64()),
            ("seed", pa.int64()),
            ("actions", pa.list_(pa.string())),
            ("observations", pa.list_(pa.string())),
            ("reused_actions", pa.int32()),
            ("environment_steps", pa.int64()),
            ("outcome", pa.float64()),
            ("raw_reward", pa.float64()),
            ("ended", pa.string()),
            ("error", pa.string()),
            *COST,
        ]
    ),
    "pairs": pa.schema(
        [
            *COMMON,
            ("pair", pa.string()),
            ("episode", pa.string()),
            ("step", pa.string()),
            ("step_index", pa.int32()),
            ("prompt", MESSAGES),
            ("chosen", MESSAGES),
            ("rejected", MESSAGES),
            ("chosen_candidate", pa.string()),
            ("rejected_candidate", pa.string()),
            ("chosen_value", pa.float64()),
            ("rejected_value", pa.float64()),
            ("previous", pa.float64()),
            ("margin", pa.float64()),
            ("rose", pa.bool_()),
        ]
    ),
    "training_log": pa.schema(
        [
            ("run", pa.string()),
            ("iteration", pa.int32()),
            ("stage", pa.string()),
            ("policy", pa.string()),
            ("step", pa.int64()),
            ("epoch", pa.float64()),
            ("loss", pa.float64()),
            ("learning_rate", pa.float64()),
            ("grad_norm", pa.float64()),
            ("metrics", pa.map_(pa.string(), pa.float64())),
        ]
    ),
}
"""Table name to schema. Evaluation and expert episodes stand in `episodes` and `steps` beside explored ones,
told apart by `stage` (`expert`, `explore`, `evaluate`)."""


def table(name: str, rows: Iterable[Mapping[str, Any]]) -> pa.Table:
    """Rows as the table `name`. Raises `ValueError` on a column the schema lacks or a row leaves out:

    PyArrow alone would drop the first without a word and fill the second with nulls.
    """
    schema = TABLES[name]
    known = set(schema.names)
    listed = list(rows)
    for row in listed:
        if row.keys() != known:
            raise ValueError(f"table {name}: columns {sorted(known ^ row.keys())} are unknown or missing")
    return pa.Table.from_pylist([dict(row) for row in listed], schema=schema)
