"""Whatever is typed, the answer is a result or one message, never a traceback."""

import contextlib
import io
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rro.flows import cli
from rro.flows.command_line.flags import leaves
from rro.tasks.settings import Settings

FLAGS = ["--" + ".".join(path).replace("_", "-") for path, *_ in leaves(Settings)]
COMMANDS = ["run", "stage", "runs", "sql", "query", "profiles"]
OWN = [
    "--profile",
    "--resume",
    "--fresh",
    "--run",
    "--iteration",
    "--format",
    "--help",
    "--version",
    "--",
    "-x",
]
VALUES = [
    "",
    "0",
    "1",
    "-1",
    "2.5",
    "nan",
    "1e400",
    "true",
    "[1,",
    "{}",
    "quickstart",
    "sft",
    "SELECT 1",
    "csv",
    "a/b",
]

words = st.one_of(
    st.sampled_from(COMMANDS + OWN + FLAGS + VALUES),
    st.sampled_from(FLAGS).flatmap(lambda flag: st.sampled_from(VALUES).map(lambda value: f"{flag}={value}")),
    st.text(max_size=12),
    st.text("-.=[]{}\"'\\@*%;\x1b", max_size=8),
)
lines = st.tuples(st.sampled_from(COMMANDS), st.lists(words, max_size=6)).map(
    lambda line: [line[0], *line[1]]
)


@pytest.mark.usefixtures("calls", "warehouse")
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lines)
def test_any_command_line(line: list[str]) -> None:
    out, err = io.StringIO(), io.StringIO()
    code = 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            cli.main(line)
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else -1
    assert code in {0, 2}, err.getvalue()
    assert "Traceback" not in err.getvalue()
    assert "\x1b" not in err.getvalue()
    assert err.getvalue().startswith("rro: ") if code else err.getvalue() == ""


@pytest.mark.usefixtures("calls", "warehouse")
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200))
def test_any_profile_file(tmp_path: Path, content: bytes) -> None:
    profile = tmp_path / "any.toml"
    profile.write_bytes(content)
    err = io.StringIO()
    with contextlib.redirect_stderr(err), contextlib.suppress(SystemExit):
        cli.main(["run", "--profile", str(profile)])
    assert "Traceback" not in err.getvalue()
    assert "shows where" not in err.getvalue()
