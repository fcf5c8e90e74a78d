"""The strategies, by the name that `explore.strategy` gives them. One walk serves them all."""

from rro.tasks.exploration.strategies.base import Strategy
from rro.tasks.exploration.strategies.eto import Eto
from rro.tasks.exploration.strategies.fixed import Fixed
from rro.tasks.exploration.strategies.ipr import Ipr
from rro.tasks.exploration.strategies.rft import Rft
from rro.tasks.exploration.strategies.rising import Rising
from rro.tasks.settings import ExploreSettings

__all__ = ["STRATEGIES", "Strategy", "make_strategy"]

STRATEGIES: dict[str, type[Strategy]] = {
    "rising": Rising,
    "fixed": Fixed,
    "ipr": Ipr,
    "eto": Eto,
    "rft": Rft,
}


def make_strategy(settings: ExploreSettings) -> Strategy:
    """The strategy that `explore.strategy` names."""
    return STRATEGIES[settings.strategy](settings)
