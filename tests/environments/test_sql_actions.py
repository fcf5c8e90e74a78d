"""What is understood of what an agent wrote, in the three readings."""

import time

import pytest

from rro.tasks.environments.intercode_sql.actions import Action, Reading, canonical, read_action

SUBMITTED, NOTHING = Action(submits=True), Action()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("submit", SUBMITTED),
        ("  Submit.\n", SUBMITTED),
        ("SUBMIT;", SUBMITTED),
        ("Action: submit", SUBMITTED),
        ("action 3: Submit", SUBMITTED),
        ("```sql\nsubmit\n```", SUBMITTED),
        ("```\nsubmit\n```", SUBMITTED),
        ("I submit this", NOTHING),
        ("submit SELECT 1", NOTHING),
        ("```sql\nSELECT 1\n```", Action("SELECT 1")),
        ("```sql\nSELECT a,\n  b\nFROM t\n```", Action("SELECT a,\n  b\nFROM t")),
        ("```SQL SELECT 1```", Action("SELECT 1")),
        ("```mysql\nSELECT 1\n```", Action("SELECT 1")),
        ("```\nSELECT 1\n```", Action("SELECT 1")),
        ("Thought: look\nAction:\n```sql\nDESC t\n```\nObservation: []", Action("DESC t")),
        ("```sql\nSELECT 1\n```\nthen\n```sql\nSELECT 2\n```", Action("SELECT 1")),
        ("```sql\nSELECT 1", Action("SELECT 1")),
        ("SELECT 1", Action("SELECT 1")),
        ("(SELECT 1) UNION (SELECT 2)", Action("(SELECT 1) UNION (SELECT 2)")),
        ("Action: show tables", Action("show tables")),
        ("DROP TABLE t", Action("DROP TABLE t")),
        ("hello", NOTHING),
        ("", NOTHING),
        ("```sql\n```", NOTHING),
        ("```", NOTHING),
    ],
)
def test_a_block_or_a_statement_or_submit_is_understood(text: str, expected: Action) -> None:
    assert read_action(text, "block") == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("submit", SUBMITTED),
        ("Submit", Action("Submit")),
        ("submit ", Action("submit ")),
        ("execute[SELECT 1]", Action("execute[SELECT 1]")),
        ("```sql\nSELECT 1\n```", Action("```sql\nSELECT 1\n```")),
        ("", Action("")),
    ],
)
def test_upstream_runs_the_whole_text(text: str, expected: Action) -> None:
    assert read_action(text, "upstream") == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Action: submit", SUBMITTED),
        ("Thought: ok\nAction: I now submit it", SUBMITTED),
        ("Action: ```sql\nSELECT 'submit'\n```", SUBMITTED),
        ("submit", NOTHING),
        ("Action:\n```sql\nSELECT a\nFROM t\n```", Action("SELECT a")),
        ("Action: ```sql SELECT 1 ```", Action("SELECT 1")),
        ("Action: SELECT 1", NOTHING),
        ("Action: ```sql\n\n```", NOTHING),
        ("```sql\nSELECT 1\n```", NOTHING),
    ],
)
def test_ipr_wants_a_label_and_one_line(text: str, expected: Action) -> None:
    assert read_action(text, "ipr") == expected


@pytest.mark.parametrize("reading", ["block", "upstream", "ipr"])
def test_what_is_not_understood_is_its_own_canonical_form(reading: Reading) -> None:
    assert canonical("hello\0", reading) == "hello\0"
    assert canonical("Action: submit" if reading == "ipr" else "submit", reading) == "submit"


def test_actions_that_run_the_same_statement_are_equal() -> None:
    forms = ["SELECT  Name FROM t", "```sql\nselect name\nfrom T;\n```", "Action: SELECT name FROM t -- all"]
    assert len({canonical(form, "block") for form in forms}) == 1
    assert canonical("SELECT 'a' FROM t", "block") != canonical("SELECT 'A' FROM t", "block")


@pytest.mark.parametrize(
    "text",
    [
        "action" + " " * 300_000,
        "```" * 200_000,
        "``` " + " " * 300_000,
        "(" * 300_000,
        "\n" * 300_000,
        "Action:" * 90_000,
    ],
    ids=lambda text: text[:10],
)
@pytest.mark.parametrize("reading", ["block", "upstream", "ipr"])
def test_huge_actions_are_read_at_once(text: str, reading: Reading) -> None:
    begun = time.process_time()
    read_action(text, reading)
    canonical(text, reading)
    assert time.process_time() - begun < 1
