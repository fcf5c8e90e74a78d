"""Who may be used as an agent's user on a server: one that can read the databases of the data, and nothing else."""

import re
from collections.abc import Iterable

from rro.tasks.environments.intercode_sql.mysql_address import PASSWORD, Address
from rro.tasks.environments.intercode_sql.mysql_session import Session
from rro.tasks.errors import UserError

HARMLESS = frozenset({"USAGE", "SELECT", "SHOW VIEW"})
SYSTEM = frozenset({"information_schema", "mysql", "performance_schema", "sys"})
"""Databases in which a server keeps passwords and what others do."""

_GRANT = re.compile(r"GRANT (?P<rights>.+?) ON (?P<place>.+?) TO (?P<rest>.*)", re.DOTALL)
_COLUMNS = re.compile(r"\([^)]*\)")


def check_access(session: Session, address: Address, databases: Iterable[str]) -> None:
    """`UserError` with the SQL that helps, if the user can do more than read, or cannot read what is needed."""
    needed = sorted(databases)
    grants = [str(row[0]) for row in session.ask("SHOW GRANTS")]
    if more := [grant for grant in grants if not harmless(grant)]:
        # What follows TO may hold the hash of the password.
        shown = "; ".join(grant.partition(" TO ")[0] for grant in more)
        raise UserError(
            f"{address}: this user may do more than read ({shown}), and an agent writes what it is asked. "
            f"Make another one, as an administrator, and name it in the address:\n{_indented(needed)}"
        )
    seen = {str(row[0]).lower() for row in session.ask("SHOW DATABASES")}
    if missing := [name for name in needed if name.lower() not in seen]:
        raise UserError(
            f"{address}: there is no database {', '.join(missing)} that this user may read; "
            "rro data load-mysql makes them all. If they are there:\n"
            + "\n".join(f"  {grant}" for grant in grants_for(address.user, missing))
        )


def names_differ_by_case(session: Session) -> bool:
    """Whether `City` and `city` are two tables on the server."""
    return session.ask("SELECT @@lower_case_table_names")[0] == (0,)


def harmless(grant: str) -> bool:
    """Whether a line of SHOW GRANTS lets its user do nothing but read databases that are not the server's own."""
    found = _GRANT.match(grant)
    if found is None or "WITH GRANT OPTION" in found["rest"]:
        return False
    rights = {right.strip() for right in _COLUMNS.sub("", found["rights"]).split(",")}
    if rights == {"USAGE"}:
        return True
    database = found["place"].rpartition(".")[0].strip("`")
    readable = "%" not in database.replace("\\%", "") and database.lower() not in SYSTEM | {"*"}
    return rights <= HARMLESS and readable


def reader_sql(user: str, databases: Iterable[str], password: str) -> list[str]:
    """The statements that make a user who can read these databases; `password` as a literal of SQL."""
    return [f"CREATE USER {_user(user)} IDENTIFIED BY {password}", *grants_for(user, databases)]


def grants_for(user: str, databases: Iterable[str]) -> list[str]:
    """The statements that let a user read these databases."""
    # In a grant, `_` stands for any character unless it is escaped.
    return [
        f"GRANT SELECT, SHOW VIEW ON {quoted(name.replace('_', chr(92) + '_'))}.* TO {_user(user)}"
        for name in databases
    ]


def quoted(name: str) -> str:
    """A name as MySQL reads it, whatever is in it."""
    return "`" + name.replace("`", "``") + "`"


def _user(name: str) -> str:
    return "'" + name.replace("\\", "\\\\").replace("'", "''") + "'@'%'"


def _indented(databases: list[str]) -> str:
    lines = reader_sql("rro", databases, f"'...'  -- then set {PASSWORD} to it")
    return "\n".join(f"  {line};" if "--" not in line else f"  {line}" for line in lines)
