"""How fast InterCode-SQL is on SQLite: start-up, steps a second with reward, one question to the worker, a copy.

    python tests/benchmarks/sql.py [DIR]

DIR is a folder made by `rro data import intercode-sql`; without one, the databases that ship. An episode is the
flawless one: SHOW TABLES, DESC of each table of the gold query, that query, submit. Steps are counted twice:
`first` has every statement go to SQLite once, `again` finds all answers remembered, as siblings and rollouts
of one task mostly do. Wall time, one process with its worker; compare only with others of the same run.
"""

import resource
import sys
import time

from rro.tasks.environments.intercode_sql.actions import SUBMIT
from rro.tasks.environments.intercode_sql.data import BUNDLED, Known
from rro.tasks.environments.intercode_sql.environment import InterCodeSql, SqlOptions

ASKED = 2000
COPIES = 100_000


def main() -> None:
    """Measure and print."""
    begun = time.perf_counter()
    environment = InterCodeSql(SqlOptions(data=sys.argv[1] if len(sys.argv) > 1 else BUNDLED))
    tasks = [task for split in environment.splits for task in environment.tasks(split)]
    episode = environment.start(tasks[0])
    episode.step("SELECT 1")
    print(f"start-up, first answer  {time.perf_counter() - begun:10.2f} s")
    print(f"memory                  {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:10.0f} MB")
    known = environment._data.known
    plans = [(task, actions(known[task.instruction])) for task in tasks]
    for label in ("first", "again"):
        begun, reward = time.perf_counter(), 0.0
        for task, plan in plans:
            episode = environment.start(task)
            reward += [episode.step(action) for action in plan][-1].outcome
        seconds = time.perf_counter() - begun
        print(f"steps a second, {label:8}{sum(len(plan) for _, plan in plans) / seconds:10.0f}")
    print(f"episodes                {len(plans):10}, mean reward {reward / len(plans):.4f}")
    begun = time.perf_counter()
    for number in range(ASKED):
        environment.database.run(environment._data.tasks[0].db, f"SELECT {number}")
    print(f"a question to SQLite    {(time.perf_counter() - begun) / ASKED * 1e6:10.0f} us")
    begun = time.perf_counter()
    for _ in range(COPIES):
        episode.copy()
    print(f"a copy                  {(time.perf_counter() - begun) / COPIES * 1e6:10.2f} us")
    environment.close()
    worker = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(f"memory of the worker    {worker:10.0f} MB")


def actions(task: Known) -> list[str]:
    """What a flawless agent does."""
    looks = ("SHOW TABLES", *(f"DESC {table}" for table in task.tables))
    return [*(f"```sql\n{statement}\n```" for statement in (*looks, task.gold)), SUBMIT]


if __name__ == "__main__":
    main()
