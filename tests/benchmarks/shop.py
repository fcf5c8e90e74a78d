"""How fast the shop is: start-up, steps a second over a flawless shopper's episodes, and a copy.

    python tests/benchmarks/shop.py

One process, one core; the figures are this machine's, so compare them only with others of the same run.
"""

import time

from rro.tasks.environments.base import environment_class
from rro.tasks.exploration.play import demonstrate

EPISODES = 2000
COPIES = 100_000


def main() -> None:
    """Measure and print."""
    begun = time.perf_counter()
    kind = environment_class("webshop")
    shop = kind(kind.Options())
    tasks = shop.tasks("train")[:EPISODES]
    print(f"start-up                {time.perf_counter() - begun:10.2f} s")

    flawless = kind.ExpertOptions.model_validate({"forget_option": 0, "ignore_price": 0, "take_first": 0})
    played = [demonstrate(shop, shop.expert(seed, flawless), task) for seed, task in enumerate(tasks)]
    steps = sum(one.clock.steps for one in played)
    seconds = sum(one.clock.seconds for one in played)
    print(f"steps a second          {steps / seconds:10.0f}")
    print(f"shopper and steps       {steps / sum(one.seconds for one in played):10.0f} a second")
    print(f"mean reward             {sum(one.outcome for one in played) / len(played):10.4f}")

    episode = shop.start(tasks[0])
    begun = time.perf_counter()
    for _ in range(COPIES):
        episode.copy()
    print(f"a copy                  {(time.perf_counter() - begun) / COPIES * 1e6:10.2f} us")


if __name__ == "__main__":
    main()
