"""Questions about a table and another that it refers to, and the queries that answer them."""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from rro.tasks.environments.intercode_sql.generate.contents import Table
from rro.tasks.environments.intercode_sql.generate.phrases import (
    ASK,
    COUNT,
    condition,
    extreme,
    ordered,
    sentence,
)
from rro.tasks.environments.intercode_sql.generate.query import Condition, Item, Query
from rro.tasks.environments.intercode_sql.generate.questions import ALL, Asked, shown

CHILD, PARENT = "T1.", "T2."


@dataclass(frozen=True, slots=True)
class Link:
    """A child table, the column by which it refers, and the table it refers to."""

    child: Table
    column: str
    parent: Table

    def query(
        self,
        select: tuple[Item, ...],
        *,
        where: tuple[Condition, ...] = (),
        group: tuple[str, ...] = (),
        order: Item | None = None,
        descending: bool = False,
        limit: int | None = None,
    ) -> Query:
        """A query over both tables: the child is T1, the parent T2."""
        join = (f"{self.parent.name} AS T2", f"T1.{self.column} = T2.id")
        return Query(
            select,
            f"{self.child.name} AS T1",
            joins=(join,),
            where=where,
            group=group,
            order=order,
            descending=descending,
            limit=limit,
        )


Template = Callable[[Link, Random], Asked]


def _of_parents(link: Link, random: Random) -> Asked:
    column = shown(link.child, random)
    words, where = condition(link.parent, random, PARENT)
    question = sentence(ASK, f"{column} of {link.child.name} of {link.parent.name} {words}", random)
    return question, link.query((Item(CHILD + column),), where=(where,))


def _of_parents_counted(link: Link, random: Random) -> Asked:
    words, where = condition(link.parent, random, PARENT)
    question = sentence(COUNT, f"{link.child.name} of {link.parent.name} {words}", random)
    return question, link.query((ALL,), where=(where,))


def _both(link: Link, random: Random) -> Asked:
    own, other = shown(link.child, random), shown(link.parent, random)
    words, where = condition(link.child, random, CHILD, without=own)
    subject = f"{own} of {link.child.name} {words} and the {other} of the {link.parent.kind.one} of each"
    return sentence(ASK, subject, random), link.query(
        (Item(CHILD + own), Item(PARENT + other)), where=(where,)
    )


def _with_children(link: Link, random: Random) -> Asked:
    column = shown(link.parent, random)
    words, where = condition(link.child, random)
    inner = Query((Item(link.column),), link.child.name, where=(where,))
    question = sentence(ASK, f"{column} of {link.parent.name} that have {link.child.name} {words}", random)
    return question, Query((Item(column),), link.parent.name, where=(Condition(Item("id"), "IN", inner),))


def _childless(link: Link, random: Random) -> Asked:
    column = shown(link.parent, random)
    where = [Condition(Item("id"), "NOT IN", Query((Item(link.column),), link.child.name))]
    subject = f"{link.parent.name} without any {link.child.name}"
    if random.random() < 0.3:
        words, also = condition(link.parent, random, without=column)
        where, subject = [also, *where], f"{link.parent.name} {words} and without any {link.child.name}"
    if random.random() < 0.3:
        return sentence(COUNT, subject, random), Query((ALL,), link.parent.name, where=tuple(where))
    question = sentence(ASK, f"{column} of {subject}", random)
    return question, Query((Item(column),), link.parent.name, where=tuple(where))


def _children_of_each(link: Link, random: Random) -> Asked:
    column = shown(link.parent, random) if "name" not in link.parent.columns else "name"
    question = f"How many {link.child.name} are there for each {column} of {link.parent.name}?"
    if random.random() < 0.5:
        question = f"Count the {link.child.name} for each {column} of the {link.parent.name}."
    return question, link.query((Item(PARENT + column), ALL), group=(PARENT + column,))


def _most_children(link: Link, random: Random) -> Asked:
    column = "name" if "name" in link.parent.columns else random.choice(link.parent.choices)
    subject, where = f"{column} of the {link.parent.kind.one} with the most {link.child.name}", ()
    if random.random() < 0.6:
        words, met = condition(link.child, random, CHILD)
        subject, where = f"{subject} {words}", (met,)  # type: ignore[assignment]
    query = link.query(
        (Item(PARENT + column),),
        where=where,
        group=(PARENT + column,),
        order=ALL,
        descending=True,
        limit=1,
    )
    return sentence(ASK, subject, random), query


def _of_parents_ordered(link: Link, random: Random) -> Asked:
    by = random.choice(link.child.numbers)
    column, descending = shown(link.child, random, without=by), random.random() < 0.5
    words, where = condition(link.parent, random, PARENT)
    order = ordered(by, descending, random)
    subject = f"{column} of {link.child.name} of {link.parent.name} {words}, {order}"
    query = link.query((Item(CHILD + column),), where=(where,), order=Item(CHILD + by), descending=descending)
    return sentence(ASK, subject, random), query


def _extreme_child(link: Link, random: Random) -> Asked:
    by = random.choice(link.child.numbers)
    column, descending = shown(link.child, random, without=by), random.random() < 0.5
    words, where = condition(link.parent, random, PARENT)
    subject = (
        f"{column} of the {link.child.kind.one} with the {extreme(by, descending, random)} {by} "
        f"among {link.child.name} of {link.parent.name} {words}"
    )
    query = link.query(
        (Item(CHILD + column),), where=(where,), order=Item(CHILD + by), descending=descending, limit=1
    )
    return sentence(ASK, subject, random), query


def _either_table(link: Link, random: Random) -> Asked:
    """The values of a column that both tables have; where they share none, those of different columns."""
    common = [c for c in link.child.choices if c in link.parent.choices]
    column = random.choice(common or list(link.child.choices))
    other = column if common else random.choice(link.parent.choices)
    words, where = condition(link.child, random, without=column)
    more, also = condition(link.parent, random, without=other)
    second = Query((Item(other),), link.parent.name, where=(also,))
    subject = f"{column} of {link.child.name} {words} together with the {other} of {link.parent.name} {more}"
    return sentence(ASK, subject, random), Query(
        (Item(column),), link.child.name, where=(where,), union=second
    )


ABOUT_TWO: dict[Template, int] = {
    _of_parents: 8,
    _of_parents_counted: 5,
    _both: 4,
    _with_children: 5,
    _childless: 4,
    _children_of_each: 1,
    _most_children: 4,
    _of_parents_ordered: 4,
    _extreme_child: 4,
    _either_table: 2,
}
"""How often each is asked, of all questions about two tables."""
