"""What can be wrong with a run's settings that only shows once the data are at hand; checked before it starts."""

from rro.tasks.environments.base import Environment, environment_class
from rro.tasks.errors import UserError
from rro.tasks.settings import Settings
from rro.tasks.training.base_model import find_base


def check_run(settings: Settings) -> None:
    """Refuse a base model that is not there and splits that do not exist or are empty."""
    if settings.policy.base != "tiny":
        find_base(settings.policy.base)
    kind = environment_class(settings.environment.name)
    environment = kind(kind.Options.model_validate(settings.environment.options))
    check_split(environment, "explore.split", settings.explore.split)
    check_split(environment, "evaluate.split", settings.evaluate.split)
    check_count(environment, settings.explore.split, "experts.tasks", settings.experts.tasks)
    check_count(environment, settings.explore.split, "explore.tasks", settings.explore.tasks)
    check_count(environment, settings.evaluate.split, "evaluate.tasks", settings.evaluate.tasks)


def check_split(environment: Environment, key: str, split: str) -> None:
    """Refuse a split without a task to work on."""
    if split not in environment.splits:
        known = ", ".join(environment.splits)
        raise UserError(f"{key} = {split!r}: {environment.name} has no such split; known: {known}")
    if not environment.tasks(split):
        raise UserError(f"{key} = {split!r}: this split of {environment.name} has no tasks")


def check_count(environment: Environment, split: str, key: str, count: int) -> None:
    """Refuse more tasks than a split holds."""
    held = len(environment.tasks(split))
    if count > held:
        raise UserError(f"{key} = {count}: split {split!r} of {environment.name} has only {held} tasks")
