"""Where a MySQL or MariaDB server is, and as whom it is asked: `mysql://user@host:port`.

Addresses are stored with a run, so they hold no password; it is read from `RRO_DATABASE_PASSWORD`. This module
needs no client library: settings are checked where none is installed.
"""

import os
import re
from dataclasses import dataclass, field
from urllib.parse import quote, unquote, urlsplit

from rro.tasks.errors import UserError

PASSWORD = "RRO_DATABASE_PASSWORD"
"""Environment variable with the password of the user in the address."""
PORT = 3306
FORM = "mysql://user@host:port"

_SECRET = re.compile(r"(//[^:/@]*):.*@", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Address:
    """A server and a user of it. Printed, it never shows the password."""

    user: str
    host: str
    port: int
    password: str = field(repr=False)

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"mysql://{quote(self.user, safe='')}@{host}:{self.port}"


def read_address(url: str, variable: str = PASSWORD) -> Address:
    """What a URL says; the password from the environment `variable` where the URL has none."""
    user, host, port, password = _parts(url)
    return Address(user, host, port, os.environ.get(variable, "") if password is None else password)


def check_stored(url: str) -> None:
    """Refuse a URL that may not be stored with a run: with a password, or no address of a server at all."""
    if _parts(url)[3] is not None:
        raise UserError(
            f"{hidden(url)}: the address is stored with the run, so it must hold no password; "
            f"put the password into the environment variable {PASSWORD} and write {FORM}"
        )


def hidden(url: str) -> str:
    """The URL without its password, for messages."""
    return _SECRET.sub(r"\1:...@", url)


def _parts(url: str) -> tuple[str, str, int, str | None]:
    try:
        found = urlsplit(url)
        port = found.port or PORT
    except ValueError as error:
        raise UserError(f"{hidden(url)!r}: {error}; an address is written {FORM}") from None
    if found.scheme != "mysql" or not found.username or not found.hostname:
        raise UserError(f"{hidden(url)!r} is no address of a database server; it is written {FORM}")
    if found.path.strip("/") or found.query or found.fragment:
        raise UserError(
            f"{hidden(url)!r}: nothing may follow the port; the names of databases come from the data"
        )
    password = None if found.password is None else unquote(found.password)
    return unquote(found.username), found.hostname, port, password
