"""Walks and episodes as rows of the tables."""

from collections.abc import Iterable
from dataclasses import asdict

from rro.tasks.exploration.origin import EXPERT, Origin, Row, Rows
from rro.tasks.exploration.play import Played
from rro.tasks.exploration.policy import Usage
from rro.tasks.exploration.seeds import row_id
from rro.tasks.exploration.values import SAME, Rollout
from rro.tasks.exploration.walk import Candidate, Step, Walk
from rro.tasks.settings import ExploreSettings


def walk_rows(walks: Iterable[Walk], origin: Origin, settings: ExploreSettings) -> Rows:
    """All rows of some walks, table by table."""
    rows: Rows = {"episodes": [], "steps": [], "candidates": [], "rollouts": []}
    for walk in walks:
        common = origin.common(walk.task)
        episode = row_id(origin.run, origin.iteration, "explore", walk.task.id)
        rows["episodes"].append(_episode(walk, common, episode, settings))
        rows["rollouts"] += _rollouts(walk.trajectories, common, episode, "", -1, -1, origin, settings)
        if walk.demonstration is not None:
            rows["rollouts"].append(_demonstration(walk.demonstration, common, episode))
        for step in walk.steps:
            step_id = row_id(episode, step.index)
            rows["steps"].append(_step(step, common, episode, step_id))
            for candidate in step.drawn:
                rows["candidates"].append(
                    _candidate(candidate, step, common, episode, step_id, origin, settings)
                )
                name = row_id(step_id, candidate.index)
                twin = candidate.duplicate_of
                if twin is not None and candidate.estimate is step.drawn[twin].estimate:
                    continue
                rows["rollouts"] += _rollouts(
                    candidate.estimate.rollouts,
                    common,
                    episode,
                    name,
                    step.index,
                    candidate.index,
                    origin,
                    settings,
                )
    return rows


def _episode(walk: Walk, common: Row, episode: str, settings: ExploreSettings) -> Row:
    last = walk.steps[-1].chosen if walk.steps else None
    finished = last is not None and last.act.turn.done
    turn = last.act.turn if last is not None and finished else None
    return {
        **common,
        "episode": episode,
        "stage": "explore",
        "split": walk.task.split,
        "temperature": settings.temperature,
        "instruction": walk.task.instruction,
        "first_observation": walk.opening,
        "start_value": walk.start_value,
        "steps": sum(step.chosen is not None for step in walk.steps),
        "outcome": turn.outcome if turn else 0.0,
        "raw_reward": turn.raw_reward if turn else 0.0,
        "best": walk.task.best,
        "success": turn is not None and turn.outcome >= walk.task.best - SAME,
        "ended": walk.ended,
        **asdict(total_usage(walk)),
        "unused_rollouts": sum(map(_unused_rollouts, walk.steps)),
        "environment_steps": walk.clock.steps,
        "environment_seconds": walk.clock.seconds,
        "seconds": walk.seconds,
    }


def _unused_rollouts(step: Step) -> int:
    """Rollouts that were paid and have no rows: of candidates drawn ahead and not used."""
    shown = {id(candidate.estimate) for candidate in step.drawn}
    ahead = {id(c.estimate): c.estimate for c in step.unused if id(c.estimate) not in shown}
    played = (rollout for estimate in ahead.values() for rollout in estimate.rollouts)
    return sum(one.outcome is None or one.reused_actions < len(one.actions) for one in played)


def _step(step: Step, common: Row, episode: str, step_id: str) -> Row:
    chosen = step.chosen
    return {
        **common,
        "stage": "explore",
        "episode": episode,
        "step": step_id,
        "step_index": step.index,
        "action": chosen.act.draw.action if chosen else None,
        "observation": chosen.act.turn.observation if chosen else None,
        "valid": chosen.act.turn.valid if chosen else None,
        "done": chosen.act.turn.done if chosen else False,
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
    twin, estimate, turn = candidate.duplicate_of, candidate.estimate, candidate.act.turn
    shared = twin is not None and candidate.estimate is step.drawn[twin].estimate
    return {
        **common,
        "episode": episode,
        "step": step_id,
        "candidate": row_id(step_id, candidate.index),
        "step_index": step.index,
        "candidate_index": candidate.index,
        "drawn_by": candidate.drawn_by,
        "action": candidate.act.draw.action,
        "canonical": candidate.canonical,
        "duplicate_of": None if twin is None else row_id(step_id, twin),
        "contrast": candidate.contrast,
        "observation": turn.observation,
        "valid": turn.valid,
        "done": turn.done,
        "value": candidate.value,
        "previous": step.previous,
        "rose": candidate.rose,
        "chosen": candidate.chosen,
        "rollouts_planned": 0 if shared else estimate.planned,
        "rollouts_done": 0 if shared else len(estimate.outcomes),
        "stop_reason": _stop_reason(candidate, shared),
        "scorer": origin.scorer,
        "temperature": settings.temperature,
        "seed": candidate.act.seed,
        "reused": candidate.act.reused,
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
            "observations": rollout.observations,
            "reused_actions": rollout.reused_actions,
            "environment_steps": len(rollout.actions) - rollout.reused_actions,
            "outcome": rollout.outcome,
            "raw_reward": rollout.raw_reward,
            "ended": rollout.ended,
            "error": rollout.error or None,
            **asdict(rollout.usage),
        }
        for rollout in rollouts
    ]


def _stop_reason(candidate: Candidate, shared: bool) -> str:
    if shared:
        return "duplicate"
    if candidate.act.turn.done:
        return "ended"
    return "all_rollouts" if len(candidate.estimate.rollouts) == candidate.estimate.planned else "decided"


def _demonstration(played: Played, common: Row, episode: str) -> Row:
    """The expert's trajectory as a rollout from the first observation."""
    return {
        **common,
        "episode": episode,
        "candidate": None,
        "rollout": row_id(episode, EXPERT),
        "step_index": -1,
        "candidate_index": -1,
        "rollout_index": -1,
        "scorer": EXPERT,
        "temperature": 0.0,
        "seed": 0,
        "actions": played.actions,
        "observations": [turn.observation for turn in played.turns],
        "reused_actions": 0,
        "environment_steps": len(played.actions),
        "outcome": played.outcome,
        "raw_reward": played.turns[-1].raw_reward,
        "ended": played.ended,
        "error": None,
        **asdict(Usage()),
    }


def total_usage(walk: Walk) -> Usage:
    """Tokens of a whole walk: candidates and rollouts, also those that nothing was made of."""
    usage = Usage()
    for rollout in walk.trajectories:
        usage.add(rollout.usage)
    for step in walk.steps:
        paid = [*step.drawn, *step.unused]
        for candidate in paid:
            usage.add(candidate.usage)
        # Duplicates share an estimate, which was paid once.
        for estimate in {id(candidate.estimate): candidate.estimate for candidate in paid}.values():
            for rollout in estimate.rollouts:
                usage.add(rollout.usage)
    return usage
