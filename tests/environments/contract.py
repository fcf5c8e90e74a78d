"""What every environment promises, as checks that any environment's tests can import.

A user's package calls `check_environment(environment)`; it raises `AssertionError` with what is broken.
"""

from collections.abc import Callable, Iterable

import pytest

from rro.tasks.environments.base import Environment, Episode, Task, Turn
from rro.tasks.errors import UserError

JUNK = (
    "",
    " ",
    "\n",
    "\0",
    "hello",
    "submit",
    "search",
    "search[",
    "search[]",
    "search[ ]",
    "click[nonsense]",
    "think[hm]",
    "[[[]]]",
    "]][[",
    "a" * 10_000,
    "search[" + "word " * 5_000 + "]",
    "search[\u202e\u0000\ud83d]",
    "click[\N{SNOWMAN}]",
    "SELECT * FROM nowhere; DROP TABLE everything",
    "'; --",
    "{}%s%n${jndi}",
    "<script>alert(1)</script>",
)


def check_environment(environment: Environment, sample: int = 5) -> None:
    """Every check below, on `sample` tasks of each split."""
    check_tasks(environment)
    for split in environment.splits:
        for task in environment.tasks(split)[:sample]:
            check_determinism(environment, task)
            check_copies(environment, task)
            check_turn_limit(environment, task)
            check_junk(environment, task)


def check_tasks(environment: Environment) -> None:
    """Tasks are stable and their ids unique, instructions are not in two splits, and bests are outcomes."""
    instructions: dict[str, str] = {}
    ids: set[str] = set()
    for split in environment.splits:
        tasks = list(environment.tasks(split))
        assert tasks == list(environment.tasks(split)), f"{split}: tasks change from call to call"
        for task in tasks:
            assert task.split == split, f"{task.id} says it is of split {task.split!r}, listed in {split!r}"
            assert task.id not in ids, f"task id {task.id!r} occurs twice"
            assert 0 < task.best <= 1, f"{task.id}: best {task.best} is not an outcome that pays"
            first = instructions.setdefault(task.instruction, split)
            assert first == split, f"{task.instruction!r} is in {first!r} and in {split!r}"
            ids.add(task.id)
    with pytest.raises(UserError, match="no-such-split"):
        environment.tasks("no-such-split")


def check_determinism(environment: Environment, task: Task) -> None:
    """The same expert with the same seed lives through the same episode twice."""
    runs = [list(play(environment, task, seed=3)) for _ in range(2)]
    assert runs[0] == runs[1], f"{task.id}: two equal runs differ"
    for _, turn in runs[0]:
        check_turn(turn)
    assert runs[0][-1][1].outcome <= task.best + 1e-9, f"{task.id}: an outcome above the attainable maximum"


def check_copies(environment: Environment, task: Task) -> None:
    """A copy goes its own way: what happens to one is not seen by the other, and both go on alike."""
    actions = [action for action, _ in play(environment, task, seed=4)]
    for cut in range(len(actions)):
        episode = environment.start(task)
        for action in actions[:cut]:
            episode.step(action)
        twin, before = episode.copy(), (episode.observation, episode.turns)
        rest = finish(episode, actions[cut:])
        assert (twin.observation, twin.turns) == before, f"{task.id}: the copy moved with its original"
        assert finish(twin, actions[cut:]) == rest, f"{task.id}: the copy goes on differently"


def check_turn_limit(environment: Environment, task: Task) -> None:
    """An agent that does nothing useful is stopped at the limit with nothing; then acting is an error."""
    episode = environment.start(task)
    turns = [episode.step("hello") for _ in range(environment.max_turns)]
    assert [turn.done for turn in turns] == [False] * (environment.max_turns - 1) + [True]
    assert turns[-1].truncated, f"{task.id}: stopped by the limit, but not marked as truncated"
    assert turns[-1].outcome == 0, f"{task.id}: an unfinished episode earned {turns[-1].outcome}"
    with pytest.raises(ValueError, match="ended"):
        episode.step("hello")


def check_junk(environment: Environment, task: Task, junk: Iterable[str] = JUNK) -> None:
    """Nothing that a model writes raises, and nothing of it earns anything."""
    for action in junk:
        turn = environment.start(task).step(action)
        check_turn(turn)
        assert not turn.outcome, f"{task.id}: {action[:40]!r} earned {turn.outcome}"
        assert isinstance(environment.canonical(action), str)


def check_turn(turn: Turn) -> None:
    """What holds for every turn."""
    assert 0 <= turn.outcome <= 1, f"outcome {turn.outcome} is not in [0, 1]"
    assert turn.done or not turn.outcome, "an outcome before the end"
    assert turn.done or not turn.truncated, "truncated, but not done"
    assert turn.observation, "an empty observation"


def play(environment: Environment, task: Task, seed: int) -> Iterable[tuple[str, Turn]]:
    """Actions and turns of the environment's expert."""
    episode = environment.start(task)
    expert = environment.expert(seed, environment.ExpertOptions())
    yield from act_until_done(episode, expert)


def act_until_done(episode: Episode, agent: Callable[[str], str]) -> Iterable[tuple[str, Turn]]:
    """Actions and turns of an agent that reads the newest observation."""
    done = False
    while not done:
        action = agent(episode.observation)
        turn = episode.step(action)
        assert episode.observation == turn.observation, "the episode shows another observation than its turn"
        done = turn.done
        yield action, turn


def finish(episode: Episode, actions: Iterable[str]) -> list[Turn]:
    """The turns that these actions lead to, in order."""
    return [episode.step(action) for action in actions]
