"""Pairs: a pure function of the explored rows and the pair settings. No inference, always the same result.

At each step the chosen candidate (highest value) stands against a worse sibling; the pair is kept when the
values differ by more than tau and the actions differ. Which sibling is a setting: the paper only says
`(a+, a-)`, and lowest is the default (`docs/method.md`).
"""

import random
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from rro.tasks.exploration.rows import Row
from rro.tasks.exploration.seeds import row_id, seed_for
from rro.tasks.settings import PairSettings

COPIED = ("run", "iteration", "strategy", "policy", "environment", "task", "episode", "step", "step_index")


def extract(
    episodes: Iterable[Mapping[str, Any]],
    steps: Iterable[Mapping[str, Any]],
    candidates: Iterable[Mapping[str, Any]],
    settings: PairSettings,
    seed: int,
) -> list[Row]:
    """Rows of `pairs`, in the order of the explored episodes and their steps."""
    by_step = group(candidates, "step")
    by_episode = group(steps, "episode")
    rows: list[Row] = []
    for episode in episodes:
        prompt = [{"role": "user", "content": episode["first_observation"]}]
        for step in sorted(by_episode[episode["episode"]], key=lambda row: row["step_index"]):
            drawn = sorted(by_step[step["step"]], key=lambda row: row["candidate_index"])
            for chosen, rejected in pairs_of_step(drawn, settings, seed):
                rows.append(_row(chosen, rejected, prompt))
            prompt = [
                *prompt,
                {"role": "assistant", "content": step["action"]},
                {"role": "user", "content": step["observation"]},
            ]
    return rows


def pairs_of_step(
    drawn: list[Mapping[str, Any]], settings: PairSettings, seed: int
) -> list[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    """(chosen, rejected) candidates of one step."""
    chosen = next((candidate for candidate in drawn if candidate["chosen"]), None)
    if chosen is None or (settings.only_rising and not chosen["rose"]):
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


def group(rows: Iterable[Mapping[str, Any]], key: str) -> dict[str, list[Mapping[str, Any]]]:
    """Rows by the value of one column, in their order."""
    grouped: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for row in rows:
        grouped[row[key]].append(row)
    return grouped


def _row(chosen: Mapping[str, Any], rejected: Mapping[str, Any], prompt: list[dict[str, str]]) -> Row:
    return {
        **{name: chosen[name] for name in COPIED},
        "pair": row_id(chosen["candidate"], rejected["candidate"]),
        "prompt": prompt,
        "chosen": [{"role": "assistant", "content": chosen["action"]}],
        "rejected": [{"role": "assistant", "content": rejected["action"]}],
        "chosen_candidate": chosen["candidate"],
        "rejected_candidate": rejected["candidate"],
        "chosen_value": chosen["value"],
        "rejected_value": rejected["value"],
        "previous": chosen["previous"],
        "margin": chosen["value"] - rejected["value"],
        "rose": chosen["rose"],
    }
