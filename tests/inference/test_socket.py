"""A server of our own is asked through a Unix socket in a folder that is closed to others."""

import asyncio
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from rro.tasks.inference.engine import Completion, EngineUnavailable
from rro.tasks.inference.openai_engine import EndpointEngine
from rro.tasks.inference.server import SOCKET, command, environment, private_folder
from rro.tasks.settings import EngineSettings
from tests.inference.little_server import Little, running
from tests.inference.test_endpoints import SPOKEN, ask, foretold, run

IN_FLIGHT = 400
SETTINGS = EngineSettings(max_model_len=256, max_num_seqs=IN_FLIGHT // 2, swap="none")
KEPT = int(environment(SETTINGS, "")["VLLM_HTTP_TIMEOUT_KEEP_ALIVE"])


@pytest.fixture
def short() -> Iterator[str]:
    """A path that a socket can have; pytest's own folders may be too deep."""
    with tempfile.TemporaryDirectory(prefix="rro-test-", dir="/tmp") as folder:
        yield f"{folder}/{SOCKET}"


def test_nothing_is_lost_when_all_connect_at_once(short: str) -> None:
    """A Unix socket whose queue is full refuses at once, where TCP would try again by itself."""
    with running(Little(), path=short, backlog=4, timeout_keep_alive=KEPT) as little:
        engine = EndpointEngine([little.url], SETTINGS, SPOKEN)

        async def together() -> list[Completion]:
            return await asyncio.gather(*(ask(engine, number) for number in range(IN_FLIGHT)))

        done = run(engine, together)
    assert [one.token_ids for one in done] == [foretold(number) for number in range(IN_FLIGHT)]
    assert len(little.asked) == IN_FLIGHT


def test_a_socket_where_nobody_listens_is_told(short: str) -> None:
    engine = EndpointEngine([f"unix:{short}"], SETTINGS.model_copy(update={"patience": 0.1}), SPOKEN)
    with pytest.raises(EngineUnavailable, match=f"unix:{short}: .*No such file"):
        run(engine, lambda: ask(engine, 1))


def test_a_server_listens_on_the_socket_and_on_nothing_else(tmp_path: Path) -> None:
    words = command(tmp_path, SETTINGS, tmp_path / SOCKET)
    assert words[words.index("--uds") + 1] == str(tmp_path / SOCKET)
    assert "--host" not in words
    assert "--port" not in words


def test_a_server_does_not_ask_for_the_key_of_another(tmp_path: Path) -> None:
    assert environment(SETTINGS, str(tmp_path))["VLLM_API_KEY"] == ""


def test_the_folder_is_closed_to_other_users(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/tmp")
    with private_folder() as folder:
        assert stat.S_IMODE(Path(folder).stat().st_mode) == 0o700


def test_a_folder_too_deep_for_sockets_is_told_and_not_left_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep = tmp_path / ("deep" * 20)
    deep.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(deep))
    with pytest.raises(
        EngineUnavailable, match=r"sockets in .*deep.* set TMPDIR to a folder with a shorter path"
    ):
        private_folder()
    assert not list(deep.iterdir())
