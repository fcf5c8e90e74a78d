"""A question's gold query as a value: how it is written in SQL, and how hard Spider calls it.

The hardness follows the published rules of Spider's evaluation (Yu et al., EMNLP 2018; evaluation.py,
`eval_hardness`): it counts the parts of a query and nothing else. Implemented anew from that definition for
the queries that are made here.
"""

from dataclasses import dataclass, field
from typing import Literal, Union

Hardness = Literal["easy", "medium", "hard", "extra"]
HARDNESS: tuple[Hardness, ...] = ("easy", "medium", "hard", "extra")


@dataclass(frozen=True, slots=True)
class Item:
    """What is selected, grouped or ordered by: a column, perhaps under an aggregate."""

    column: str
    aggregate: str = ""
    distinct: bool = False

    def __str__(self) -> str:
        inner = f"DISTINCT {self.column}" if self.distinct else self.column
        return f"{self.aggregate}({inner})" if self.aggregate else inner


@dataclass(frozen=True, slots=True)
class Condition:
    """`left operator right`; `right` is written as it is, or is a query of its own."""

    left: Item
    operator: str
    right: Union[str, "Query"]

    def __str__(self) -> str:
        right = f"({self.right})" if isinstance(self.right, Query) else self.right
        return f"{self.left} {self.operator} {right}"


@dataclass(frozen=True, slots=True)
class Query:
    """One SELECT, perhaps joined to another by UNION."""

    select: tuple[Item, ...]
    table: str
    joins: tuple[tuple[str, str], ...] = ()
    """Table and condition of each further table."""
    distinct: bool = False
    where: tuple[Condition, ...] = ()
    connective: str = "AND"
    group: tuple[str, ...] = ()
    having: tuple[Condition, ...] = ()
    order: Item | None = None
    descending: bool = False
    limit: int | None = None
    union: "Query | None" = field(default=None)

    def __str__(self) -> str:
        parts = [
            f"SELECT {'DISTINCT ' if self.distinct else ''}{', '.join(map(str, self.select))}",
            f"FROM {self.table}",
            *(f"JOIN {table} ON {condition}" for table, condition in self.joins),
        ]
        if self.where:
            parts.append("WHERE " + f" {self.connective} ".join(map(str, self.where)))
        if self.group:
            parts.append("GROUP BY " + ", ".join(self.group))
        if self.having:
            parts.append("HAVING " + " AND ".join(map(str, self.having)))
        if self.order:
            parts.append(f"ORDER BY {self.order} {'DESC' if self.descending else 'ASC'}")
        if self.limit is not None:
            parts.append(f"LIMIT {self.limit}")
        if self.union:
            parts.append(f"UNION {self.union}")
        return " ".join(parts)


def hardness(query: Query) -> Hardness:
    """Spider's class of a query, from the counts of its parts."""
    clauses, nested, others = _clauses(query), _nested(query), _others(query)
    if clauses <= 1 and others == 0 and nested == 0:
        return "easy"
    if nested == 0 and ((others <= 2 and clauses <= 1) or (clauses <= 2 and others < 2)):
        return "medium"
    if nested == 0 and ((others > 2 and clauses <= 2) or (2 < clauses <= 3 and others <= 2)):
        return "hard"
    if clauses <= 1 and others == 0 and nested <= 1:
        return "hard"
    return "extra"


def _clauses(query: Query) -> int:
    """Component 1: WHERE, GROUP BY, ORDER BY, LIMIT, each join, each OR, each LIKE."""
    clauses = sum(map(bool, (query.where, query.group, query.order, query.limit is not None)))
    ors = max(len(query.where) - 1, 0) if query.connective == "OR" else 0
    likes = sum(condition.operator == "LIKE" for condition in (*query.where, *query.having))
    return clauses + len(query.joins) + ors + likes


def _nested(query: Query) -> int:
    """Component 2: queries in conditions, and what UNION joins."""
    conditions = (*query.where, *query.having)
    return sum(isinstance(condition.right, Query) for condition in conditions) + bool(query.union)


def _others(query: Query) -> int:
    """More than one aggregate, selected column, condition or grouping column: one each."""
    items = [*query.select, *(c.left for c in (*query.where, *query.having)), *filter(None, [query.order])]
    aggregates = sum(bool(item.aggregate) for item in items)
    return sum(count > 1 for count in (aggregates, len(query.select), len(query.where), len(query.group)))
