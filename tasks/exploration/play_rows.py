"""Plainly played episodes as rows of `episodes` and `steps`: the expert's, and those of an evaluation."""

from dataclasses import asdict

from rro.tasks.exploration.origin import Origin, Row, Rows
from rro.tasks.exploration.play import Played
from rro.tasks.exploration.seeds import row_id
from rro.tasks.exploration.values import SAME


def played_rows(played: list[Played], origin: Origin, stage: str, temperature: float) -> Rows:
    """Rows of `episodes` and `steps`."""
    rows: Rows = {"episodes": [], "steps": []}
    for one in played:
        common = origin.common(one.task)
        episode = row_id(origin.run, origin.iteration, stage, origin.policy, str(temperature), one.task.id)
        rows["episodes"].append(_episode(one, common, episode, stage, temperature))
        rows["steps"] += _steps(one, common, episode, stage)
    return rows


def _episode(one: Played, common: Row, episode: str, stage: str, temperature: float) -> Row:
    return {
        **common,
        "episode": episode,
        "stage": stage,
        "split": one.task.split,
        "temperature": temperature,
        "instruction": one.task.instruction,
        "first_observation": one.opening,
        "start_value": None,
        "steps": len(one.turns),
        "outcome": one.outcome,
        "raw_reward": one.turns[-1].raw_reward if one.ended == "done" else 0.0,
        "best": one.task.best,
        "success": one.outcome >= one.task.best - SAME,
        "ended": one.ended,
        **asdict(one.usage),
        "unused_rollouts": 0,
        "environment_steps": one.clock.steps,
        "environment_seconds": one.clock.seconds,
        "seconds": one.seconds,
    }


def _steps(one: Played, common: Row, episode: str, stage: str) -> list[Row]:
    return [
        {
            **common,
            "stage": stage,
            "episode": episode,
            "step": row_id(episode, index),
            "step_index": index,
            "action": action,
            "observation": turn.observation,
            "valid": turn.valid,
            "done": turn.done,
            "candidates": None,
            "chosen": None,
            "value": None,
            "previous": None,
            "rose": None,
            "stop_reason": None,
        }
        for index, (action, turn) in enumerate(zip(one.actions, one.turns, strict=True))
    ]
