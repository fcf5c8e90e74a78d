"""Walks and episodes as rows of the tables."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from rro.tasks.environments.base import Task
from rro.tasks.exploration.policy import Usage
from rro.tasks.exploration.seeds import row_id
from rro.tasks.exploration.strategies import SAME
from rro.tasks.exploration.values import Rollout
from rro.tasks.exploration.walk import Candidate, Step, Walk
from rro.tasks.settings import ExploreSettings

Row = dict[str, Any]
Rows = dict[str, list[Row]]


@dataclass(frozen=True, slots=True)
class Origin:
    """Where rows come from: the columns that every row carries, but for the task."""

    run: str
    iteration: int
    strategy: str
    policy: str
    environment: str
    scorer: str

    def common(self, task: Task) -> Row:
        """The `COMMON` columns of `tables.py`."""
        values = asdict(self)
        del values["scorer"]
        return {**values, "task": task.id}


def walk_rows(walks: Iterable[Walk], origin: Origin, settings: ExploreSettings) -> Rows:
    """All rows of some walks, table by table."""
    rows: Rows = {"episodes": [], "steps": [], "candidates": [], "rollouts": []}
    for walk in walks:
        common = origin.common(walk.task)
        episode = row_id(origin.run, origin.iteration, "explore", walk.task.id)
        rows["episodes"].append(_episode(walk, common, episode, settings))
        rows["rollouts"] += _rollouts(walk.start.rollouts, common, episode, "", -1, -1, origin, settings)
        for step in walk.steps:
            step_id = row_id(episode, step.index)
            rows["steps"].append(_step(step, common, episode, step_id))
            for candidate in step.drawn:
                rows["candidates"].append(
                    _candidate(candidate, step, common, episode, step_id, origin, settings)
                )
                name = row_id(step_id, candidate.index)
                rows["rollouts"] += _rollouts(
                    candidate.rollouts, common, episode, name, step.index, candidate.index, origin, settings
                )
    return rows


def _episode(walk: Walk, common: Row, episode: str, settings: ExploreSettings) -> Row:
    last = walk.steps[-1].chosen if walk.steps else None
    finished = last is not None and last.done
    outcome = last.outcome if last is not None and finished else 0.0
    return {
        **common,
        "episode": episode,
        "stage": "explore",
        "split": walk.task.split,
        "temperature": settings.temperature,
        "instruction": walk.task.instruction,
        "first_observation": walk.opening,
        "start_value": walk.start.mean,
        "steps": sum(step.chosen is not None for step in walk.steps),
        "outcome": outcome,
        "raw_reward": last.raw_reward if last is not None and finished else 0.0,
        "best": walk.task.best,
        "success": outcome >= walk.task.best - SAME,
        "ended": walk.ended,
        **asdict(total_usage(walk)),
        "environment_steps": walk.clock.steps,
        "environment_seconds": walk.clock.seconds,
        "seconds": walk.seconds,
    }


def _step(step: Step, common: Row, episode: str, step_id: str) -> Row:
    chosen = step.chosen
    return {
        **common,
        "stage": "explore",
        "episode": episode,
        "step": step_id,
        "step_index": step.index,
        "action": chosen.action if chosen else None,
        "observation": chosen.observation if chosen else None,
        "valid": chosen.valid if chosen else None,
        "done": chosen.done if chosen else False,
        "candidates": len(step.drawn),
        "chosen": row_id(step_id, chosen.index) if chosen else None,
        "value": chosen.value if chosen else None,
        "previous": step.previous,
        "rose": any(candidate.rose for candidate in step.drawn),
        "stop_reason": step.stop_reason,
    }


def _candidate(
    candidate: Candidate,
    step: Step,
    common: Row,
    episode: str,
    step_id: str,
    origin: Origin,
    settings: ExploreSettings,
) -> Row:
    twin = candidate.duplicate_of
    return {
        **common,
        "episode": episode,
        "step": step_id,
        "candidate": row_id(step_id, candidate.index),
        "step_index": step.index,
        "candidate_index": candidate.index,
        "action": candidate.action,
        "canonical": candidate.canonical,
        "duplicate_of": None if twin is None else row_id(step_id, twin),
        "contrast": candidate.contrast,
        "observation": candidate.observation,
        "valid": candidate.valid,
        "done": candidate.done,
        "value": candidate.value,
        "previous": step.previous,
        "rose": candidate.rose,
        "chosen": candidate.chosen,
        "rollouts_planned": candidate.planned,
        "rollouts_done": sum(rollout.outcome is not None for rollout in candidate.rollouts),
        "stop_reason": "duplicate" if twin is not None else "ended" if candidate.done else "all_rollouts",
        "scorer": origin.scorer,
        "temperature": settings.temperature,
        "seed": candidate.seed,
        **asdict(candidate.usage),
    }


def _rollouts(
    rollouts: Iterable[Rollout],
    common: Row,
    episode: str,
    candidate: str,
    step_index: int,
    candidate_index: int,
    origin: Origin,
    settings: ExploreSettings,
) -> list[Row]:
    return [
        {
            **common,
            "episode": episode,
            "candidate": candidate or None,
            "rollout": row_id(episode, step_index, candidate_index, rollout.index),
            "step_index": step_index,
            "candidate_index": candidate_index,
            "rollout_index": rollout.index,
            "scorer": origin.scorer,
            "temperature": settings.rollout_temperature,
            "seed": rollout.seed,
            "actions": rollout.actions,
            "environment_steps": len(rollout.actions),
            "outcome": rollout.outcome,
            "raw_reward": rollout.raw_reward,
            "ended": rollout.ended,
            "error": rollout.error or None,
            **asdict(rollout.usage),
        }
        for rollout in rollouts
    ]


def total_usage(walk: Walk) -> Usage:
    """Tokens of a whole walk: candidates and rollouts."""
    usage = Usage()
    for rollout in walk.start.rollouts:
        usage.add(rollout.usage)
    for step in walk.steps:
        for candidate in step.drawn:
            usage.add(candidate.usage)
            for rollout in candidate.rollouts:
                usage.add(rollout.usage)
    return usage
