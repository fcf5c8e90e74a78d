"""Pairs: pure functions of the explored rows and the pair settings. No inference, always the same result.

`siblings` is RRO's rule: at each step the chosen candidate (highest value) stands against a worse sibling; the
pair is kept when the values differ by more than tau and the actions differ. Which sibling is a setting: the paper
only says `(a+, a-)`, and lowest is the default (`docs/method.md`). The rules of the baselines stand in
`strategies/`. Where all siblings are worth the same, `pairs.ties` may prefer the shorter way; that is ours.
"""

import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from rro.tasks.exploration.origin import Row
from rro.tasks.exploration.seeds import row_id, seed_for
from rro.tasks.exploration.values import SAME
from rro.tasks.settings import PairSettings

EXPLORED = ("episodes", "steps", "candidates", "rollouts")
"""The tables that pairs are made from."""

COPIED = ("run", "iteration", "strategy", "policy", "environment", "task", "episode")


@dataclass(frozen=True, slots=True)
class Step:
    """One explored step."""

    row: Mapping[str, Any]
    drawn: list[Mapping[str, Any]]
    """Its candidates in the order of drawing."""
    prompt: list[dict[str, str]]
    """The history that the policy read."""


@dataclass(frozen=True, slots=True)
class Explored:
    """All rows of one explored task."""

    episode: Mapping[str, Any]
    steps: list[Step]
    rollouts: Mapping[str | None, list[Mapping[str, Any]]]
    """By candidate; under None those from the first observation, the expert's among them."""

    @property
    def opening(self) -> list[dict[str, str]]:
        """The history before the first action."""
        return [{"role": "user", "content": self.episode["first_observation"]}]


@dataclass(frozen=True, slots=True)
class End:
    """One side of a pair."""

    id: str
    """Of the candidate or rollout."""
    value: float
    rose: bool | None
    """None for whole trajectories."""
    turns: list[dict[str, str]]
    """What training reads as the completion, beginning and ending with the agent."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A preference: after `prompt`, `chosen` rather than `rejected`."""

    prompt: list[dict[str, str]]
    chosen: End
    rejected: End
    step: Mapping[str, Any] | None = None
    """The row of the step; None for whole trajectories."""


Rule = Callable[[Explored, PairSettings, int], list[Pair]]


def extract(
    tables: Mapping[str, Iterable[Mapping[str, Any]]], rule: Rule, settings: PairSettings, seed: int
) -> list[Row]:
    """Rows of `pairs`, in the order of the explored episodes and their steps."""
    return [
        _row(pair, explored) for explored in explored_tasks(tables) for pair in rule(explored, settings, seed)
    ]


def explored_tasks(tables: Mapping[str, Iterable[Mapping[str, Any]]]) -> Iterable[Explored]:
    """The rows of `episodes`, `steps`, `candidates` and `rollouts`, task by task."""
    by_episode = group(tables["steps"], "episode")
    by_step = group(tables["candidates"], "step")
    rollouts = group(tables["rollouts"], "episode")
    for episode in tables["episodes"]:
        played = group(rollouts[episode["episode"]], "candidate")
        explored = Explored(episode, [], {None: [], **played})
        prompt = explored.opening
        for row in sorted(by_episode[episode["episode"]], key=lambda row: row["step_index"]):
            drawn = sorted(by_step[row["step"]], key=lambda row: row["candidate_index"])
            explored.steps.append(Step(row, drawn, prompt))
            prompt = [*prompt, said(row["action"]), told(row["observation"])]
        yield explored


def siblings(explored: Explored, settings: PairSettings, seed: int) -> list[Pair]:
    """The chosen candidate of each step against a worse one of the same step."""
    return [
        Pair(
            step.prompt,
            candidate_end(explored, chosen, settings),
            candidate_end(explored, rejected, settings),
            step.row,
        )
        for step in explored.steps
        for chosen, rejected in pairs_of_step(step.drawn, settings, seed)
        or tie_of_step(explored, step, settings)
    ]


def pairs_of_step(
    drawn: list[Mapping[str, Any]], settings: PairSettings, seed: int
) -> list[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    """(chosen, rejected) candidates of one step."""
    chosen = next((candidate for candidate in drawn if candidate["chosen"]), None)
    if chosen is None or (settings.only_rising and not chosen["rose"]):
        return []
    if settings.only_valid and not chosen["valid"]:
        return []
    worse = [
        candidate
        for candidate in drawn
        if candidate["value"] is not None
        and candidate["duplicate_of"] is None
        and candidate["canonical"] != chosen["canonical"]
        and chosen["value"] - candidate["value"] > settings.tau
    ]
    if not worse:
        return []
    if settings.rejected == "all":
        return [(chosen, candidate) for candidate in worse]
    if settings.rejected == "lowest":
        return [(chosen, min(worse, key=lambda candidate: candidate["value"]))]
    if settings.rejected == "random":
        return [(chosen, random.Random(seed_for(seed, chosen["step"])).choice(worse))]
    return [(chosen, worse[0])]


def tie_of_step(
    explored: Explored, step: Step, settings: PairSettings
) -> list[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    """(sooner, later) of two candidates that are worth the same, more than 0, where `pairs.ties` asks for it.

    The same is no further apart than tau, and the sooner is not the lower. How soon is the mean number of actions
    in a candidate's rollouts. Failing sooner is no better, hence above 0.
    """
    if not settings.ties:
        return []
    best = max((c["value"] for c in step.drawn if c["value"] is not None), default=0.0)
    equal = {
        c["canonical"]: c
        for c in reversed(step.drawn)
        if c["duplicate_of"] is None and c["value"] is not None and best - c["value"] <= settings.tau
    }
    if best <= 0 or len(equal) < 2:
        return []
    ways = {id(c): _actions_to_come(explored, c) for c in equal.values()}
    sooner, *_, later = sorted(equal.values(), key=lambda c: (ways[id(c)], c["candidate_index"]))
    wanted = (sooner["rose"] or not settings.only_rising) and (sooner["valid"] or not settings.only_valid)
    better = ways[id(later)] - ways[id(sooner)] >= settings.ties and sooner["value"] >= later["value"] - SAME
    return [(sooner, later)] if wanted and better else []


def _actions_to_come(explored: Explored, candidate: Mapping[str, Any]) -> float:
    played = finished_rollouts(explored, candidate)
    return fmean(len(rollout["actions"]) for rollout in played) if played else 0.0


def turns_of(rollout: Mapping[str, Any], start: int = 0) -> list[dict[str, str]]:
    """A rollout's turns from action `start` on; the last observation is left out, since nothing follows it."""
    turns = []
    for action, observation in zip(rollout["actions"], rollout["observations"], strict=True):
        turns += [said(action), told(observation)]
    return turns[2 * start : -1]


def said(action: str) -> dict[str, str]:
    """The agent's turn."""
    return {"role": "assistant", "content": action}


def told(observation: str) -> dict[str, str]:
    """The environment's turn."""
    return {"role": "user", "content": observation}


def group(rows: Iterable[Mapping[str, Any]], key: str) -> dict[Any, list[Mapping[str, Any]]]:
    """Rows by the value of one column, in their order."""
    grouped: dict[Any, list[Mapping[str, Any]]] = defaultdict(list)
    for row in rows:
        grouped[row[key]].append(row)
    return grouped


def candidate_end(
    explored: Explored,
    candidate: Mapping[str, Any],
    settings: PairSettings,
    trajectory: Mapping[str, Any] | None = None,
) -> End:
    """A candidate as the side of a pair: its action or, with `span = "suffix"`, all that followed it too.

    What followed is its first finished rollout; or the rest of the `trajectory` that it was taken from.
    """
    turns = [said(candidate["action"])]
    if settings.span == "suffix" and trajectory is not None:
        turns = turns_of(trajectory, candidate["step_index"])
    elif settings.span == "suffix" and (played := finished_rollouts(explored, candidate)):
        turns += [told(candidate["observation"]), *turns_of(played[0])]
    return End(candidate["candidate"], candidate["value"], candidate["rose"], turns)


def trajectory_end(rollout: Mapping[str, Any]) -> End:
    """A whole trajectory as the side of a pair; its value is its outcome."""
    return End(rollout["rollout"], rollout["outcome"], None, turns_of(rollout))


def finished_rollouts(explored: Explored, candidate: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The rollouts of a candidate, or of the equal one drawn before it, that came to an end."""
    rows = explored.rollouts.get(candidate["duplicate_of"] or candidate["candidate"], [])
    return sorted((r for r in rows if r["outcome"] is not None), key=lambda row: row["rollout_index"])


def _row(pair: Pair, explored: Explored) -> Row:
    step = pair.step or {}
    return {
        **{name: explored.episode[name] for name in COPIED},
        "step": step.get("step"),
        "step_index": step.get("step_index", 0),
        "pair": row_id(pair.chosen.id, pair.rejected.id),
        "prompt": pair.prompt,
        "chosen": pair.chosen.turns,
        "rejected": pair.rejected.turns,
        "chosen_candidate": pair.chosen.id,
        "rejected_candidate": pair.rejected.id,
        "chosen_value": pair.chosen.value,
        "rejected_value": pair.rejected.value,
        "previous": step.get("previous"),
        "margin": pair.chosen.value - pair.rejected.value,
        "rose": pair.chosen.rose,
    }
