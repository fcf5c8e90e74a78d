"""Exploration on a Ray cluster: Prefect's `RayTaskRunner` hands each shard to a worker, one Prefect task a shard.

A worker opens its engine and its environment for its first shard and keeps them for the next. Rows go from the
worker to the warehouse; only names, settings and counts travel through Ray. Ray does the shard of a lost worker or
node again on another one: seeds derive from task and place, and a shard replaces itself, so the rows are the same.
"""

import asyncio
import os
import platform
import signal
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.client.base import ServerType, determine_server_type

from rro.flows.common import Context
from rro.flows.engines import close_engine
from rro.flows.shards import Count, Exploration, Found, walking
from rro.tasks.environments.base import Task
from rro.tasks.errors import StageFailed, UserError
from rro.tasks.process import prepare_environment
from rro.tasks.settings import Settings

if TYPE_CHECKING:
    from prefect_ray.task_runners import PrefectRayFuture, RayTaskRunner

RETRIES = 3
"""How often a shard is begun anew after its worker or its node was lost."""

PATIENCE = 10.0
"""Seconds in which a cluster's address must answer."""


def check_cluster(settings: Settings) -> None:
    """Refuse a cluster that cannot be used, before anything is trained for it."""
    address = settings.explore.ray
    if not address:
        return
    _import_ray(address)
    _answers(address)
    if determine_server_type() in (ServerType.EPHEMERAL, ServerType.UNCONFIGURED):
        raise UserError(
            f"explore.ray = {address!r}: the cluster's workers report to Prefect's server, and PREFECT_API_URL names "
            "none; start one that every node reaches: prefect server start --host 0.0.0.0"
        )


async def explore_on_cluster(
    exploration: Exploration, shards: Mapping[str, list[Task]], count: Count
) -> None:
    """Let the cluster explore `shards`. `StageFailed` where a shard lost its worker too often."""
    from prefect_ray.context import remote_options

    context = exploration.context
    work = {
        "run": context.run,
        "iteration": context.iteration,
        "warehouse": context.warehouse.url,
        "settings": context.settings.model_dump_json(),
        "key": exploration.key,
    }
    close_engine()  # A worker may need this machine's accelerator.
    with joined(context.settings) as runner, remote_options(**_options(context.settings)):
        futures = {shard: runner.submit(explore_shard_here, {**work, "shard": shard}) for shard in shards}
        await asyncio.gather(*(_finish(shard, future, count) for shard, future in futures.items()))


async def _finish(shard: str, future: "PrefectRayFuture[Found]", count: Count) -> None:
    from ray.exceptions import RayError

    try:
        await future.wrapped_future
    except RayError as error:
        raise StageFailed(
            f"explore: {shard} lost its Ray worker {RETRIES + 1} times ({type(error).__name__}); finished shards are "
            "kept, so run the same command again once the cluster is well"
        ) from error
    count(await asyncio.to_thread(future.result))


@contextmanager
def joined(settings: Settings) -> "Iterator[RayTaskRunner[Any]]":
    """The cluster's task runner while the block runs; `UserError` where the cluster cannot be joined."""
    from prefect_ray import RayTaskRunner

    check_cluster(settings)
    address = settings.explore.ray
    runner = RayTaskRunner[Any](init_kwargs={"address": address})
    handler = signal.getsignal(signal.SIGTERM)
    try:
        runner.__enter__()
    except (OSError, RuntimeError, ValueError) as error:
        raise UserError(f"explore.ray = {address!r}: the cluster cannot be joined: {error}") from error
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, handler)  # Ray takes it for itself.
    try:
        yield runner
    finally:
        runner.__exit__(None, None, None)


@task(name="explore-shard", task_run_name="{shard}", cache_policy=NO_CACHE)
def explore_shard_here(
    run: str, iteration: int, warehouse: str, settings: str, shard: str, key: str
) -> Found:
    """Explore and publish one shard, on the worker that this runs on; what it brought."""
    exploration = opened(run, iteration, warehouse, settings)
    if exploration.key != key:
        raise UserError(
            f"{shard}: node {platform.node()} would explore under another key than the run; install the same rro "
            "and the same environment, with the same data, on every node"
        )
    return _loop().run(_explore(exploration, shard))


async def _explore(exploration: Exploration, shard: str) -> Found:
    found: list[Found] = []
    async with walking(exploration, {shard: exploration.shards[shard]}, found.append) as pool:
        exploration.publish(shard, await pool.shard(shard))
    return Found.sum(found)


@lru_cache(maxsize=1)
def opened(run: str, iteration: int, warehouse: str, settings: str) -> Exploration:
    """The exploration that this worker takes part in, with its environment loaded once."""
    parsed = Settings.model_validate_json(settings)
    prepare_environment(parsed.policy.base)
    return Exploration.of(Context(parsed, run, iteration, warehouse))


@lru_cache(maxsize=1)
def _loop() -> asyncio.Runner:
    """One event loop for all shards of this worker: an engine may be bound to it."""
    return asyncio.Runner()


def _options(settings: Settings) -> dict[str, Any]:
    """What a shard asks of Ray: a core, and a GPU where it brings an engine to a cluster that has some."""
    import ray

    own_engine = settings.engine.kind != "endpoints" and ray.cluster_resources().get("GPU", 0) > 0
    # Ray ends a process that used a GPU after one task, and the engine with it, unless max_calls says otherwise.
    return {"max_retries": RETRIES, "max_calls": 0, **({"num_gpus": 1} if own_engine else {})}


def _import_ray(address: str) -> None:
    try:
        import prefect_ray  # noqa: F401
        import ray  # noqa: F401
    except ImportError as error:
        raise UserError(
            f"explore.ray = {address!r}: Ray cannot be imported ({error}); install the extra: pip install 'rro[ray]'"
        ) from error


def _answers(address: str) -> None:
    """Refuse an address where nobody listens: Ray itself would go on trying for minutes."""
    named = os.environ.get("RAY_ADDRESS", address) if address == "auto" else address
    if named == "auto":
        return  # Ray finds this machine's own node, or says at once that there is none.
    host, _, port = named.rpartition(":")
    try:
        socket.create_connection((host, int(port)), PATIENCE).close()
    except (OSError, ValueError) as error:
        raise UserError(
            f"explore.ray = {address!r}: nothing answers at {named} ({error}); give the head's host:port as "
            "`ray start --head` printed it, or auto on a machine that has joined the cluster"
        ) from error
