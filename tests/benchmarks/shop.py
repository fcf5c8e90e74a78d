"""How fast and how large the shop is: as shipped, with the real 1,000 products, and with 100,000 made-up ones.

    python -m tests.benchmarks.shop [products]

Each part runs in a process of its own and tells its peak memory; times are processor seconds. The figures are
this machine's, so compare them only with others of the same run. An oracle plays each goal once: it searches
the title, turns pages until the product shows, opens it, chooses the options and buys, which earns a reward.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import accumulate, islice
from pathlib import Path
from random import Random

from rro.tasks.environments.webshop.catalogue import BUNDLED, Catalogue
from rro.tasks.environments.webshop.environment import ShopOptions, WebShop
from rro.tasks.environments.webshop.episode import ShopEpisode
from rro.tasks.environments.webshop.goals import SPLITS
from rro.tasks.environments.webshop.prepare import Sources, prepare

REAL = Path(__file__).parents[3] / "shared/benchmarks/webshop"
PRODUCTS = 100_000
EPISODES = 5000
SEARCHES = 300
COPIES = 100_000
VOCABULARY, FLATTER = 200_000, 15
"""Different words, and how much the commonest ones are held back, so that words are as common as in real titles."""
PAGES = 6
"""How far the oracle turns pages: a search has five."""


def peak_megabytes() -> float:
    """Most memory that this program ever held.

    Not `ru_maxrss`: a child keeps that of the process which started it, be it as large as a test session's.
    """
    (line,) = (
        line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")
    )
    return int(line.split()[1]) / 1024


def main() -> None:
    """Measure and print."""
    if sys.argv[1:2] == ["part"]:
        name, *words = sys.argv[2:]
        PARTS[name](*words)
        line("peak memory", peak_megabytes(), "MB")
        return
    count = sys.argv[1] if len(sys.argv) > 1 else str(PRODUCTS)
    part("shipped catalogue", "play", BUNDLED)
    if REAL.is_dir():
        part("1,000 real products", "play", str(REAL))
        part("searches there", "search", str(REAL))
    with tempfile.TemporaryDirectory() as folder:
        raw, out = Path(folder, "raw"), Path(folder, "shop")
        part(f"{int(count):,} made-up products, raw files", "write", str(raw), count)
        part("import", "take", str(raw), str(out))
        part("shop", "play", str(out))
        part("searches there", "search", str(out))


def part(title: str, name: str, *words: str) -> None:
    """Run one part in a fresh process."""
    print(f"\n{title}", flush=True)
    subprocess.run([sys.executable, __file__, "part", name, *words], check=True)


def line(label: str, value: float, unit: str) -> None:
    print(f"  {label:24}{value:14,.2f} {unit}", flush=True)


def play(source: str) -> None:
    """Start-up, steps a second over oracle episodes, a copy."""
    begun = time.process_time()
    shop = WebShop(ShopOptions(catalogue=source, max_turns=100))
    line("start-up", time.process_time() - begun, "s")
    line("memory after start-up", peak_megabytes(), "MB")
    tasks = [task for split in SPLITS for task in shop.tasks(split)][:EPISODES]
    steps, seconds, reward = 0, 0.0, 0.0
    for task in tasks:
        episode = shop.start(task)
        for action in oracle(episode):
            begun = time.process_time()
            turn = episode.step(action)
            seconds += time.process_time() - begun
            steps += 1
            reward += turn.outcome / task.best
    line("oracle's steps", steps / seconds, "a second")
    line("steps an episode", steps / len(tasks), "")
    line("reward of the attainable", reward / len(tasks), "")
    begun = time.process_time()
    for _ in range(COPIES):
        episode.copy()
    line("a copy", (time.process_time() - begun) / COPIES * 1e6, "us")


def searches(source: str) -> None:
    """Milliseconds of a search that was not asked before: whole titles, and three words of them."""
    catalogue = Catalogue.load(source)
    random = Random(0)
    titles = [product.title for product in random.choices(catalogue.products, k=SEARCHES)]
    for label, queries in (
        ("search, a title", titles),
        ("search, three words", [" ".join(random.sample(f"{title} a b c".split(), k=3)) for title in titles]),
    ):
        begun = time.process_time()
        for query in queries:
            catalogue.find(query, seed="")[:10]
        line(label, (time.process_time() - begun) / SEARCHES * 1e3, "ms")


def oracle(episode: ShopEpisode) -> Iterator[str]:
    """The actions that buy what is asked for."""
    goal = episode.goal
    asin = goal.product.asin.lower()
    yield f"search[{goal.product.title.replace(']', ' ').replace('[', ' ') or asin}]"
    for _ in range(PAGES - 1):
        if asin in episode.clickables():
            break
        yield "click[next >]"
    yield f"click[{asin}]"
    for option in goal.options:
        value = option[1] if isinstance(option, tuple) else option
        if value in episode.clickables():
            yield f"click[{value}]"
    yield "click[buy now]"


def take(raw: str, out: str) -> None:
    """Import, with the words as nouns and 20,000 goals."""
    begun = time.process_time()
    sources = Sources(Path(raw, "items.jsonl"), Path(raw, "ins.jsonl"))
    prepare(sources, Path(out), nouns="words", synthetic_limit=20_000)
    line("import", time.process_time() - begun, "s")
    size = sum(path.stat().st_size for path in Path(out).rglob("*") if path.is_file())
    line("on the disk", size / 1e6, "MB")


def write(folder: str, count: str) -> None:
    """Raw files of made-up products that are as long and as varied as the real ones.

    The real products have, on average, 116 characters of title, 510 of description, 754 in 4.6 bullets, 3.5
    option values, and 68 search terms.
    """
    random = Random(0)
    syllables = [consonant + vowel for consonant in "bdfgklmnprstvz" for vowel in "aeiou"]
    words = ["".join(random.choices(syllables, k=random.randint(2, 4))) for _ in range(VOCABULARY)]
    weights = list(accumulate(1 / (rank + FLATTER) for rank in range(VOCABULARY)))

    def text(length: int) -> str:
        return " ".join(random.choices(words, cum_weights=weights, k=length))

    Path(folder).mkdir()
    with Path(folder, "items.jsonl").open("w") as items, Path(folder, "ins.jsonl").open("w") as ins:
        for number in islice(range(10**9), int(count)):
            asin = f"B{number:09d}"
            section = text(2)
            colours, sizes = text(3).split(), text(2).split()
            product = {
                "asin": asin,
                "name": f"{text(15)} {number:x}",
                "full_description": text(random.choice((0, 0, 80))),
                "pricing": f"${random.randint(3, 300)}.99" + (" to $400.00" if number % 11 == 0 else ""),
                "small_description": [text(23) for _ in range(5)],
                "product_category": f"Home › {section} › {text(1)}",
                "category": section.split()[0],
                "query": section,
                "customization_options": {
                    "color": [{"value": value} for value in colours],
                    "size": [{"value": value} for value in sizes],
                },
            }
            items.write(json.dumps(product) + "\n")
            attributes = [text(2), text(2), text(2)]
            wish = {"instruction": f"find me {text(4)}", "instruction_attributes": attributes[:2]}
            ins.write(json.dumps({"asin": asin, "attributes": attributes, **wish}) + "\n")
    line("written", Path(folder, "items.jsonl").stat().st_size / 1e6, "MB")


PARTS = {"play": play, "search": searches, "take": take, "write": write}

if __name__ == "__main__":
    main()
