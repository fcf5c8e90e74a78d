"""Questions about one table: what people ask, and the query that answers it."""

from collections.abc import Callable
from random import Random

from rro.tasks.environments.intercode_sql.generate.contents import Table
from rro.tasks.environments.intercode_sql.generate.lexicon import PLURAL
from rro.tasks.environments.intercode_sql.generate.phrases import (
    ASK,
    COUNT,
    aggregate,
    condition,
    extreme,
    ordered,
    sentence,
)
from rro.tasks.environments.intercode_sql.generate.query import Condition, Item, Query

Asked = tuple[str, Query]
Template = Callable[[Table, Random], Asked]
ALL = Item("*", "COUNT")


def shown(table: Table, random: Random, without: str = "") -> str:
    """A column that a question asks for: most often the name, where there is one."""
    if "name" in table.columns and random.random() < 0.45:
        return "name"
    return random.choice([c for c in (*table.numbers, *table.choices) if c != without])


def _every(table: Table, random: Random) -> Asked:
    column = shown(table, random)
    return sentence(ASK, f"{column} of all {table.name}", random), Query((Item(column),), table.name)


def _filtered(table: Table, random: Random) -> Asked:
    column = shown(table, random)
    words, where = condition(table, random, without=column)
    question = sentence(ASK, f"{column} of {table.name} {words}", random)
    return question, Query((Item(column),), table.name, where=(where,))


def _counted(table: Table, random: Random) -> Asked:
    words, where = condition(table, random)
    return sentence(COUNT, f"{table.name} {words}", random), Query((ALL,), table.name, where=(where,))


def _all_counted(table: Table, random: Random) -> Asked:
    return sentence(COUNT, table.name, random), Query((ALL,), table.name)


def _aggregated(table: Table, random: Random) -> Asked:
    column = random.choice(table.numbers)
    name, word = aggregate(column, random)
    wanted = f"{word} {column} of"
    if random.random() < 0.3:
        return sentence(ASK, f"{wanted} all {table.name}", random), Query((Item(column, name),), table.name)
    words, where = condition(table, random, without=column)
    question = sentence(ASK, f"{wanted} {table.name} {words}", random)
    return question, Query((Item(column, name),), table.name, where=(where,))


def _different_counted(table: Table, random: Random) -> Asked:
    column = random.choice(table.choices)
    words, where = condition(table, random, without=column)
    forms = (
        "How many different {} are there?",
        "Count the different {}.",
        "Find the number of different {}.",
    )
    question = sentence(forms, f"{column} of {table.name} {words}", random)
    return question, Query((Item(column, "COUNT", distinct=True),), table.name, where=(where,))


def _different(table: Table, random: Random) -> Asked:
    column = random.choice(table.choices)
    words, where = condition(table, random, without=column)
    question = sentence(ASK, f"different {column} of {table.name} {words}", random)
    return question, Query((Item(column),), table.name, distinct=True, where=(where,))


def _ordered(table: Table, random: Random) -> Asked:
    by = random.choice(table.numbers)
    column, descending = shown(table, random, without=by), random.random() < 0.5
    order = ordered(by, descending, random)
    question = sentence(ASK, f"{column} of all {table.name} {order}", random)
    return question, Query((Item(column),), table.name, order=Item(by), descending=descending)


def _two_columns(table: Table, random: Random) -> Asked:
    first = shown(table, random)
    second = shown(table, random, without=first)
    words, where = condition(table, random)
    question = sentence(ASK, f"{first} and {second} of {table.name} {words}", random)
    columns = (Item(first), Item(second)) if first != second else (Item(first),)
    return question, Query(columns, table.name, where=(where,))


def _two_conditions(table: Table, random: Random) -> Asked:
    words, where = condition(table, random)
    more, also = condition(table, random, without=where.left.column)
    either = random.random() < 0.25
    together = f"{table.name} {words} {'or' if either else 'and'} {more}"
    connective = "OR" if either else "AND"
    if random.random() < 0.35:
        query = Query((ALL,), table.name, where=(where, also), connective=connective)
        return sentence(COUNT, together, random), query
    column = shown(table, random)
    query = Query((Item(column),), table.name, where=(where, also), connective=connective)
    return sentence(ASK, f"{column} of {together}", random), query


def _filtered_and_ordered(table: Table, random: Random) -> Asked:
    by = random.choice(table.numbers)
    column, descending = shown(table, random, without=by), random.random() < 0.5
    words, where = condition(table, random, without=by)
    order = ordered(by, descending, random)
    question = sentence(ASK, f"{column} of {table.name} {words}, {order}", random)
    query = Query((Item(column),), table.name, where=(where,), order=Item(by), descending=descending)
    return question, query


def _first_few(table: Table, random: Random) -> Asked:
    by = random.choice(table.numbers)
    column, descending = shown(table, random, without=by), random.random() < 0.5
    count, filtered = random.choice((1, 1, 2, 3, 5)), random.random() < 0.4
    words, where = condition(table, random, without=by)
    most = extreme(by, descending, random)
    among = f" among {table.name} {words}" if filtered else ""
    of = table.kind.one if count == 1 else f"{count} {table.name}"
    question = sentence(ASK, f"{column} of the {of} with the {most} {by}{among}", random)
    query = Query(
        (Item(column),),
        table.name,
        where=(where,) if filtered else (),
        order=Item(by),
        descending=descending,
        limit=count,
    )
    return question, query


def _each_counted(table: Table, random: Random) -> Asked:
    column = random.choice(table.choices)
    forms = ("How many {} are there?", "Count the {}.", "What is the number of {}?")
    question = sentence(forms, f"{table.name} of each {column}", random)
    return question, Query((Item(column), ALL), table.name, group=(column,))


def _each_aggregated(table: Table, random: Random) -> Asked:
    column, number = random.choice(table.choices), random.choice(table.numbers)
    name, word = aggregate(number, random)
    wanted = f"{word} {number} of the {table.name} of each {column}"
    query = Query((Item(column), Item(number, name)), table.name, group=(column,))
    return sentence(ASK, wanted, random), query


def _often(table: Table, random: Random) -> Asked:
    column, least = random.choice(table.choices), random.randint(2, 9)
    forms = ("Which {} do at least {} {} have?", "Find every {} that at least {} {} have.")
    question = random.choice(forms).format(column, least, table.name)
    having = (Condition(ALL, ">=", str(least)),)
    return question, Query((Item(column),), table.name, group=(column,), having=having)


def _beyond_average(table: Table, random: Random) -> Asked:
    number = random.choice(table.numbers)
    column, above = shown(table, random, without=number), random.random() < 0.5
    average = Query((Item(number, "AVG"),), table.name)
    side, be = "above" if above else "below", "are" if number in PLURAL else "is"
    where = [Condition(Item(number), ">" if above else "<", average)]
    words = f"whose {number} {be} {side} the average {number} of all {table.name}"
    if random.random() < 0.3:
        more, also = condition(table, random, without=number)
        where, words = [also, *where], f"{more} and {words}"
    question = sentence(ASK, f"{column} of {table.name} {words}", random)
    return question, Query((Item(column),), table.name, where=tuple(where))


ABOUT_ONE: dict[Template, int] = {
    _every: 3,
    _filtered: 16,
    _counted: 10,
    _all_counted: 1,
    _aggregated: 10,
    _different_counted: 3,
    _different: 4,
    _ordered: 5,
    _two_columns: 7,
    _two_conditions: 12,
    _filtered_and_ordered: 5,
    _first_few: 10,
    _each_counted: 4,
    _each_aggregated: 5,
    _often: 2,
    _beyond_average: 6,
}
"""How often each is asked, of all questions about one table."""
