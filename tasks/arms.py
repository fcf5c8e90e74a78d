"""Arms of a comparison: what each strategy or ablated knob changes in the settings that all arms share."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rro.tasks.errors import UserError
from rro.tasks.exploration.strategies import STRATEGIES
from rro.tasks.lineage import run_name
from rro.tasks.settings import Settings, merge, parse_settings

BASELINE = "sft"
"""The arm that explores nothing: the policy that every other one starts from."""

OPTIONS: dict[str, dict[str, Any]] = {
    "again": {"explore": {"duplicates": "again"}},
    "reuse": {"explore": {"reuse": True}},
    "early": {"explore": {"early_stop": True}},
    "contrast": {"explore": {"contrast": True}},
    "skip": {"explore": {"leave": "maximum"}},
    "spread": {"explore": {"leave": "agreed"}},
    "common": {"explore": {"common": True}},
    "ties": {"pairs": {"ties": 1.0}},
}
"""What may follow a strategy after `+`: one option of the walk or the pairs. `again` is as published: every draw is
scored."""

PUBLISHED: dict[str, dict[str, Any]] = {"ipr": {"pairs": {"span": "suffix"}}}
"""What a strategy's own paper sets otherwise than RRO does."""

KNOBS: dict[str, dict[str, Any]] = {
    "comparator": {"explore": {"comparator": ">="}},
    "epsilon": {"explore": {"epsilon": 0.05}},
    "cap-3": {"explore": {"max_candidates": 3}},
    "cap-10": {"explore": {"max_candidates": 10}},
    "m-1": {"explore": {"rollouts": 1}},
    "m-10": {"explore": {"rollouts": 10}},
    "first-reference": {"explore": {"first_reference": "zero"}},
    "scorer": {"explore": {"rollout_temperature": 0.0, "rollouts": 1}},
    "contrast": {"explore": {"contrast": True}},
    "no-contrast": {"explore": {"contrast": False}},
    "reuse": {"explore": {"reuse": True}},
    "no-reuse": {"explore": {"reuse": False}},
    "common": {"explore": {"common": True}},
    "rejected-first": {"pairs": {"rejected": "first"}},
    "rejected-all": {"pairs": {"rejected": "all"}},
    "only-rising": {"pairs": {"only_rising": True}},
    "any-chosen": {"pairs": {"only_valid": False}},
    "ties": {"pairs": {"ties": 1.0}},
    "pair-span": {"pairs": {"span": "suffix"}},
    "no-nll": {"dpo": {"nll": 0.0}},
}
"""Ablations of RRO: each changes one thing. `scorer` plays rollouts greedily, so that one is enough."""

_ARM = re.compile(r"(?P<strategy>[a-z_]+)(-(?P<number>\d+))?(?P<options>(\+[a-z]+)*)")


@dataclass(frozen=True, slots=True)
class Arm:
    """One way to spend an exploration, by name."""

    name: str
    changes: dict[str, Any]

    @property
    def explores(self) -> bool:
        """False for the baseline."""
        return self.name != BASELINE

    def settings(self, shared: Settings, seed: int) -> Settings:
        """The shared settings with this arm's changes and a seed of their own."""
        return parse_settings(merge(merge(shared.model_dump(), self.changes), {"seed": seed}))


def parse_arms(names: Sequence[str]) -> list[Arm]:
    """Arms such as `rising`, `fixed-5`, `rising+early+skip`; `UserError` on anything else, or twice the same."""
    arms = [parse_arm(name.strip()) for name in names if name.strip()]
    if not arms:
        raise UserError("strategies: name at least one, for example rising,fixed-5")
    for name in {arm.name for arm in arms}:
        if sum(arm.name == name for arm in arms) > 1:
            raise UserError(f"strategies: {name!r} is named twice")
    return arms


def parse_arm(name: str) -> Arm:
    """One arm by its name."""
    if name == BASELINE:
        return Arm(name, {})
    match = _ARM.fullmatch(name)
    if match is None or match["strategy"] not in STRATEGIES:
        known = ", ".join([BASELINE, *STRATEGIES])
        raise UserError(f"strategy {name!r}: no such strategy; known: {known}, with -N and +OPTION behind")
    strategy = match["strategy"]
    changes: dict[str, Any] = {"explore": {"strategy": strategy}}
    if match["number"] is not None:
        key = "trajectories" if STRATEGIES[strategy].prefix == "none" else "max_candidates"
        if strategy == "ipr" or int(match["number"]) == 0:
            raise UserError(
                f"strategy {name!r}: the number behind {strategy} must be at least 1, and ipr takes none"
            )
        changes["explore"][key] = int(match["number"])
    for option in match["options"].split("+")[1:]:
        if option not in OPTIONS:
            raise UserError(f"strategy {name!r}: no option {option!r}; known: {', '.join(OPTIONS)}")
        changes = merge(changes, OPTIONS[option])
    return Arm(name, merge(changes, PUBLISHED.get(strategy, {})))


def ablations(knobs: Sequence[str], shared: Settings) -> list[Arm]:
    """RRO as the settings have it, then one arm a knob; without names, every knob that changes these settings.

    `UserError` for a knob that does not exist, or that is as it would be turned.
    """
    unknown = [knob for knob in knobs if knob not in KNOBS]
    if unknown:
        raise UserError(f"knob {unknown[0]!r}: no such knob; known: {', '.join(KNOBS)}")
    turned = [Arm(knob, KNOBS[knob]) for knob in knobs or KNOBS]
    idle = [arm.name for arm in turned if arm.settings(shared, shared.seed) == shared]
    if knobs and idle:
        raise UserError(f"knob {idle[0]!r}: the settings have it so already, so there is nothing to compare")
    return [Arm(BASELINE, {}), parse_arm("rising"), *(arm for arm in turned if arm.name not in idle)]


def comparison_name(kind: str, profile: str, settings: Settings, arms: Sequence[Arm], seeds: int) -> str:
    """The comparison that these settings and arms are: repeating a command goes on with it."""
    return f"{kind}-{run_name(profile, settings, [(arm.name, arm.changes) for arm in arms], seeds)}"
