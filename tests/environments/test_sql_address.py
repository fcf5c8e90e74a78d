"""Addresses of database servers: what may be stored with a run, and what is never printed."""

import pytest

from rro.tasks.environments.intercode_sql.environment import SqlOptions
from rro.tasks.environments.intercode_sql.mysql_address import PASSWORD, check_stored, hidden, read_address
from rro.tasks.errors import UserError


@pytest.mark.parametrize(
    ("url", "user", "host", "port", "shown"),
    [
        ("mysql://rro@db", "rro", "db", 3306, "mysql://rro@db:3306"),
        ("mysql://rro@127.0.0.1:3307/", "rro", "127.0.0.1", 3307, "mysql://rro@127.0.0.1:3307"),
        ("mysql://a%40b@[::1]:9", "a@b", "::1", 9, "mysql://a%40b@[::1]:9"),
    ],
)
def test_addresses_are_read(
    url: str, user: str, host: str, port: int, shown: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(PASSWORD, "hidden one")
    address = read_address(url)
    assert (address.user, address.host, address.port, address.password) == (user, host, port, "hidden one")
    assert str(address) == shown
    assert "hidden one" not in repr(address) + str(address)
    check_stored(url)


def test_a_password_in_the_url_is_read_where_nothing_is_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PASSWORD, "other")
    assert read_address("mysql://rro:s%20e@db").password == "s e"
    assert read_address("mysql://rro:@db").password == ""
    monkeypatch.delenv(PASSWORD)
    assert read_address("mysql://rro@db").password == ""


def test_a_password_is_not_stored_and_not_shown() -> None:
    with pytest.raises(UserError, match=PASSWORD) as refused:
        check_stored("mysql://rro:top@secret@db:3306")
    assert "top" not in str(refused.value)
    assert "secret" not in str(refused.value)
    with pytest.raises(UserError, match=PASSWORD) as refused:
        SqlOptions(url="mysql://rro:top@secret@db:3306")
    assert "secret" not in str(refused.value)
    assert SqlOptions(url="mysql://rro@db").url == "mysql://rro@db"
    assert hidden("mysql://rro:x@db/y") == "mysql://rro:...@db/y"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "db",
        "mysql://",
        "mysql://db:3306",
        "mysql://@db",
        "postgresql://rro@db",
        "mysql://rro@db:port",
        "mysql://rro@db:99999",
        "mysql://rro@db/shop",
        "mysql://rro@db?ssl=1",
        "mysql://rro:secret@db/shop",
        "mysql://rro:sec[ret@db",
    ],
)
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(UserError) as refused:
        read_address(url)
    assert "secret" not in str(refused.value)
    assert "sec[" not in str(refused.value)
