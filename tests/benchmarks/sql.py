"""How fast InterCode-SQL is on SQLite: start-up, steps a second with reward, one question to the worker, a copy.

    python -m tests.benchmarks.sql [DIR]

DIR is a folder made by `rro data import intercode-sql`; without one, the databases that ship. An episode is the
flawless one: SHOW TABLES, DESC of each table of the gold query, that query, submit. Its steps are counted twice:
in the `first` pass every gold query goes to SQLite, in the second (`again`) all answers are remembered, as
siblings and rollouts of one task mostly find them. Databases are loaded before, which is timed by itself.

Both passes are given by the clock and by processor time, that of the worker included: the steps that one core
makes in a second, whatever else the computer does. Compare only with others of the same run.
"""

import os
import resource
import sys
import time
from pathlib import Path
from typing import Any

ASKED = 2000
COPIES = 100_000


def main() -> None:
    """Measure and print."""
    begun = time.perf_counter()
    from rro.tasks.environments.intercode_sql.environment import InterCodeSql, SqlOptions
    from rro.tasks.environments.intercode_sql.sqlite_database import SqliteDatabase

    environment = InterCodeSql(SqlOptions.model_validate({"data": sys.argv[1]} if sys.argv[1:] else {}))
    tasks = [task for split in environment.splits for task in environment.tasks(split)]
    show("start-up, with imports", time.perf_counter() - begun, "s", 2)
    show("memory", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, "MB")

    database = environment.database
    assert isinstance(database, SqliteDatabase)
    known = environment._data.known
    plans = [(task, actions(known[task.instruction])) for task in tasks]
    steps = sum(len(plan) for _, plan in plans)
    begun = time.perf_counter()
    for name in {one.db for one in known.values()}:
        database.run(name, "SELECT 1")
    show("worker and all databases", time.perf_counter() - begun, "s", 2)
    for label in ("first", "again"):
        begun, processor, reward = time.perf_counter(), processor_seconds(database.worker_pid), 0.0
        for task, plan in plans:
            episode = environment.start(task)
            reward += [episode.step(action) for action in plan][-1].outcome
        show(f"{label}, by the clock", steps / (time.perf_counter() - begun), "steps/s")
        used = processor_seconds(database.worker_pid) - processor
        show(f"{label}, by processor time", steps / used, "steps/s")
    show("mean reward", reward / len(plans), f"of {len(plans)} episodes", 4)

    begun = time.perf_counter()
    for number in range(ASKED):
        database.run(next(iter(known.values())).db, f"SELECT {number}")
    show("a question to the worker", (time.perf_counter() - begun) / ASKED * 1e6, "us")
    begun = time.perf_counter()
    for _ in range(COPIES):
        episode.copy()
    show("a copy", (time.perf_counter() - begun) / COPIES * 1e6, "us", 2)
    environment.close()
    show("memory of the worker", resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024, "MB")


def show(label: str, value: float, unit: str, digits: int = 0) -> None:
    """Print a figure."""
    print(f"{label:28}{value:12,.{digits}f} {unit}")


def actions(task: Any) -> list[str]:
    """What a flawless agent does on a `Known` task."""
    looks = ("SHOW TABLES", *(f"DESC {table}" for table in task.tables))
    return [*(f"```sql\n{statement}\n```" for statement in (*looks, task.gold)), "submit"]


def processor_seconds(worker: int | None) -> float:
    """Processor time that this process and its worker have used."""
    fields = Path(f"/proc/{worker}/stat").read_text().rpartition(")")[2].split()
    return time.process_time() + (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
