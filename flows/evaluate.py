"""Stage evaluate: a policy on held-out tasks, at each temperature. Writes episodes and steps."""

from prefect import flow, task
from prefect.cache_policies import NO_CACHE

from rro.flows.common import Context, Stage, open_context, stage
from rro.flows.engines import policy_on_engine
from rro.tasks.environments.base import Task
from rro.tasks.errors import StageFailed
from rro.tasks.exploration.explore import Pool, choose_tasks
from rro.tasks.exploration.origin import Origin
from rro.tasks.exploration.play import Played, play
from rro.tasks.exploration.play_rows import played_rows
from rro.tasks.exploration.policy import Policy
from rro.tasks.exploration.seeds import seed_for
from rro.tasks.lineage import evaluate_key
from rro.tasks.settings import Settings
from rro.tasks.storage.tables import table


@flow(name="evaluate", flow_run_name="evaluate {run} iteration {iteration}")
async def evaluate(
    run: str, settings: Settings | None = None, iteration: int = 0, warehouse: str | None = None
) -> str:
    """Play the held-out tasks with the policy of an iteration.

    Args:
        run: Name of the run.
        settings: All settings; without them, those the run was started with.
        iteration: 0 for the SFT policy, k for the policy of the k-th iteration.
        warehouse: Folder that everything is written to.

    Returns:
        The key of the evaluation.
    """
    context = open_context(settings, run, iteration, warehouse)
    settings = context.settings
    name = context.policy(iteration)
    folder = context.policy_folder(name)
    key = evaluate_key(settings, context.environment, name)
    wanted = settings.evaluate
    tasks = choose_tasks(context.environment, wanted.split, wanted.tasks, 0, "evaluate")
    shards = {f"evaluate-i{iteration}-t{temperature:g}": temperature for temperature in wanted.temperatures}
    owed = {shard: heat for shard, heat in shards.items() if not context.reusable(shard, key)}
    episodes = len(tasks) * len(shards)
    if not owed:
        Stage(context, "evaluate", "episodes", episodes).finish(f"reused {episodes} episodes")
        return key
    with stage(context, "evaluate", "episodes", episodes, key) as running:
        policy = await policy_on_engine(name, folder, settings.engine)
        done = episodes - len(tasks) * len(owed)
        outcomes: list[float] = []
        for shard, temperature in owed.items():
            outcomes += await evaluate_shard(context, running, policy, shard, tasks, temperature, key, done)
            done += len(tasks)
        running.finish(f"mean reward {sum(outcomes) / len(outcomes):.3f}")
    return key


@task(name="evaluate-policy", task_run_name="{shard}", cache_policy=NO_CACHE)
async def evaluate_shard(
    context: Context,
    running: Stage,
    policy: Policy,
    shard: str,
    tasks: list[Task],
    temperature: float,
    key: str,
    done: int,
) -> list[float]:
    """Play every task once at one temperature and publish the episodes; their outcomes."""
    seed = seed_for(context.settings.seed, "evaluate", str(temperature))
    played: list[Played] = []

    def count(one: Played) -> None:
        played.append(one)
        mean = sum(other.outcome for other in played) / len(played)
        running.progress(done + len(played), temperature=temperature, reward=round(mean, 3))

    async def one(task: Task) -> Played:
        return await play(context.environment, policy, task, temperature, seed)

    pool = Pool(one, count, policy.stepped)
    try:
        pool.start({shard: tasks})
        finished = await pool.shard(shard)
    finally:
        pool.cancel()
    failed = [episode.task.id for episode in finished if episode.ended == "failed"]
    if failed:
        raise StageFailed(
            f"evaluate: the engine gave no answer in {len(failed)} of {len(finished)} episodes ({failed[0]}, ...), "
            "and a failure is not a reward of 0; run the same command again, or raise engine.attempts"
        )
    origin = Origin(context.run, context.iteration, "evaluate", policy.name, context.environment.name, "")
    rows = played_rows(finished, origin, "evaluate", temperature)
    tables = {name: table(name, listed) for name, listed in rows.items()}
    context.warehouse.publish(context.run, shard, tables, {"key": key})
    return [episode.outcome for episode in finished]
