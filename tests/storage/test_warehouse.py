"""What a warehouse promises: whole shards or none, names that stay inside, one writer a run."""

import hashlib
import json
from collections.abc import Callable
from itertools import product

import pyarrow as pa
import pytest

from rro.tasks.errors import UserError
from rro.tasks.storage.tables import TABLES, table
from rro.tasks.storage.warehouse import Warehouse
from tests.storage.little import row
from tests.storage.shards import SHARD, listing, part_key, seconds, stages


def test_a_published_shard_reads_back(warehouse: Warehouse) -> None:
    manifest = warehouse.publish("r", "s", stages(1.0, 2.0), {"tasks": 2})
    assert warehouse.finished("r", "s") == manifest
    assert (manifest.generation, manifest.rows, manifest.facts) == (1, {"stages": 2}, {"tasks": 2})
    assert warehouse.read("stages", "r").equals(stages(1.0, 2.0)["stages"])


def test_shards_are_read_in_name_order_and_by_prefix(warehouse: Warehouse) -> None:
    for name, value in [("b-2", 3.0), ("a-10", 2.0), ("a-09", 1.0)]:
        warehouse.publish("r", name, stages(value))
    assert [m.shard for m in warehouse.shards("r")] == ["a-09", "a-10", "b-2"]
    assert [m.shard for m in warehouse.shards("r", "a-")] == ["a-09", "a-10"]
    assert (seconds(warehouse), seconds(warehouse, "b")) == ([1.0, 2.0, 3.0], [3.0])


@pytest.mark.parametrize("name", sorted(TABLES))
def test_a_table_without_shards_is_empty_but_typed(warehouse: Warehouse, name: str) -> None:
    warehouse.publish("r", "other", stages(run="r"))
    assert warehouse.read(name, "r").equals(TABLES[name].empty_table())
    assert warehouse.read(name, "nobody").schema == TABLES[name]


def test_publishing_again_replaces_rows_and_files(warehouse: Warehouse) -> None:
    warehouse.publish("r", "s", stages(1.0) | {"pairs": table("pairs", [])})
    assert warehouse.publish("r", "s", stages(2.0)).generation == 2
    assert seconds(warehouse) == [2.0]
    assert listing(warehouse) == ["manifest.json", "stages-2.parquet"]


def test_a_discarded_shard_is_gone(warehouse: Warehouse) -> None:
    warehouse.publish("r", "s", stages(1.0))
    warehouse.discard("r", "s")
    warehouse.discard("r", "never-there")
    assert warehouse.finished("r", "s") is None
    assert warehouse.shards("r") == []
    assert seconds(warehouse) == []
    assert warehouse.publish("r", "s", stages(2.0)).rows == {"stages": 1}


@pytest.mark.parametrize("damage", ["missing", "truncated", "longer"])
def test_a_damaged_part_is_named_with_the_way_out(warehouse: Warehouse, damage: str) -> None:
    warehouse.publish("r", "s", stages(1.0))
    store, part = warehouse._store, part_key(warehouse)
    content = store.read(part)
    assert content is not None
    store.remove(part)
    if damage != "missing":
        store.write(part, content[:-3] if damage == "truncated" else content + b"x")
    for use in (lambda: warehouse.finished("r", "s"), lambda: warehouse.read("stages", "r")):
        with pytest.raises(
            UserError, match=r"stages-1-\w+\.parquet: a part of run 'r' is .*delete .* resume"
        ):
            use()


@pytest.mark.parametrize("text", ["{", "[]", '{"schema_version": 1}', '{"schema_version": 99}', "\xff"])
def test_a_damaged_manifest_is_named(warehouse: Warehouse, text: str) -> None:
    warehouse.publish("r", "s", stages(1.0))
    warehouse._store.write(f"{SHARD}/manifest.json", text.encode("latin-1"))
    with pytest.raises(UserError, match=r"manifest\.json: "):
        warehouse.finished("r", "s")


# Names.

HOSTILE = ["", ".", "..", "../x", "a/b", "/etc", "a b", "a\n", "ä", "a\x00", "~", "$HOME", "a\\b"]


def uses(warehouse: Warehouse) -> list[Callable[[str], object]]:
    return [
        lambda name: warehouse.publish(name, "s", {}),
        lambda name: warehouse.publish("r", name, {}),
        lambda name: warehouse.finished(name, "s"),
        lambda name: warehouse.finished("r", name),
        lambda name: warehouse.shards(name),
        lambda name: warehouse.read("stages", name),
        lambda name: warehouse.discard("r", name),
        lambda name: warehouse.sweep(name),
        lambda name: warehouse.lock(name),
        lambda name: warehouse.save_settings(name, {}),
        lambda name: warehouse.load_settings(name),
        lambda name: warehouse.policy_path(name),
        lambda name: warehouse.has_policy(name),
        lambda name: warehouse.fetch_policy(name),
        lambda name: warehouse.upload_policy(name),
        lambda name: warehouse.log_path(name),
        lambda name: warehouse.save_file(name, "report.md", b""),
        lambda name: warehouse.save_file("r", name, b""),
    ]


def test_hostile_names_are_refused_everywhere(warehouse: Warehouse) -> None:
    for name, use in product(HOSTILE, uses(warehouse)):
        with pytest.raises(UserError, match="a name has letters"):
            use(name)
    assert warehouse._store.below("") == []


def test_a_policy_lies_in_its_own_folder(warehouse: Warehouse) -> None:
    assert warehouse.policy_address("sft-1.0_a") == f"{warehouse.url}/policies/sft-1.0_a"
    assert warehouse.policy_path("sft-1.0_a") == warehouse.root / "policies" / "sft-1.0_a"


# Rows.


def candidate(**values: object) -> dict[str, pa.Table]:
    given = {"run": "r", "candidate": "c"} | values
    return {"candidates": table("candidates", [row("candidates", **given)])}


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ({"nothing": pa.table({"run": ["r"]})}, "'nothing': there is no such table"),
        ({"stages": pa.table({"run": ["r"]})}, "stages: schema differs"),
        (stages(1.0, run="another"), "rows of run 'another'"),
        (candidate(candidate=None), "1 rows have no candidate"),
        (candidate(run=None), "rows of run None"),
        (candidate(value=1.5), "value 1.5 lies outside"),
        (candidate(value=-0.1), "value -0.1 lies outside"),
        (candidate(value=float("nan")), "value nan lies outside"),
        (candidate(previous=2.0), "previous 2.0 lies outside"),
        ({"candidates": pa.concat_tables([*candidate().values()] * 2)}, "candidate 'c' stands 2 times"),
    ],
)
def test_rows_that_break_their_table_are_never_published(
    warehouse: Warehouse, tables: dict[str, pa.Table], message: str
) -> None:
    warehouse.publish("r", "s", stages(1.0))
    with pytest.raises(ValueError, match=message):
        warehouse.publish("r", "s", stages(2.0) | tables if "stages" not in tables else tables)
    assert seconds(warehouse) == [1.0]


@pytest.mark.parametrize("value", [None, 0.0, 0.5, 1.0])
def test_values_inside_their_bounds_are_published(warehouse: Warehouse, value: float | None) -> None:
    warehouse.publish("r", "s", candidate(value=value))
    assert warehouse.read("candidates", "r")["value"].to_pylist() == [value]


# Settings and runs.


def test_settings_read_back(warehouse: Warehouse) -> None:
    warehouse.save_settings("r", {"seed": 1, "explore": {"tasks": 2}})
    assert warehouse.load_settings("r") == {"seed": 1, "explore": {"tasks": 2}}


def test_an_unknown_run_lists_the_known_ones_closest_first(warehouse: Warehouse) -> None:
    for run in ("amber-otter", "brisk-lynx"):
        warehouse.save_settings(run, {})
    with pytest.raises(UserError, match="no such run; known, closest first: brisk-lynx, amber-otter"):
        warehouse.load_settings("brisk-link")


def test_an_unknown_run_in_an_empty_warehouse_says_so(warehouse: Warehouse) -> None:
    with pytest.raises(UserError, match="run 'r': there is no such run, and no other one either"):
        warehouse.load_settings("r")


def test_runs_have_settings_or_shards(warehouse: Warehouse) -> None:
    warehouse.save_settings("b", {})
    warehouse.publish("a", "s", {})
    with warehouse.lock("only-locked"):
        assert warehouse.runs() == ["a", "b"]


def test_a_manifest_tells_what_its_parts_are(warehouse: Warehouse) -> None:
    warehouse.publish("r", "s", stages(1.0))
    content, manifest = (
        warehouse._store.read(key) for key in (part_key(warehouse), f"{SHARD}/manifest.json")
    )
    assert content is not None
    assert manifest is not None
    (part,) = json.loads(manifest)["parts"]
    assert part == {
        "table": "stages",
        "file": part_key(warehouse).rpartition("/")[2],
        "rows": 1,
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
    }
