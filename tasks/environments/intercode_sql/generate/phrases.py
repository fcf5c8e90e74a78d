"""How questions word their parts: what is wanted, conditions, aggregates, orders."""

from random import Random

from rro.tasks.environments.intercode_sql.generate.contents import Table, Value, literal
from rro.tasks.environments.intercode_sql.generate.lexicon import PLURAL
from rro.tasks.environments.intercode_sql.generate.query import Condition, Item

Worded = tuple[str, Condition]

ASK = ("List the {}.", "Show the {}.", "Give the {}.", "Find the {}.", "What is the {}?", "Tell me the {}.")
COUNT = ("How many {} are there?", "Count the {}.", "What is the number of {}?", "Find the number of {}.")

_WORDS = {
    "MAX": ("highest", "largest", "maximum"),
    "MIN": ("lowest", "smallest", "minimum"),
    "AVG": ("average", "mean"),
    "SUM": ("total", "combined"),
}
_YEAR_WORDS = {"MAX": ("latest", "last"), "MIN": ("earliest", "first")}
ORDERS = {
    True: ("in descending order of {}", "sorted by {} from high to low", "by {} with the {} first"),
    False: ("in ascending order of {}", "sorted by {} from low to high", "by {} with the {} first"),
}

_IS = ("whose {c} {be} {v}", "with {c} {v}", "that have the {c} {v}", "where the {c} {be} {v}")
_IS_NOT = ("whose {c} {be} not {v}", "with any {c} but {v}", "where the {c} {be} not {v}")
_ABOVE = ("whose {c} {be} above {v}", "with {c} over {v}", "with {c} greater than {v}")
_BELOW = ("whose {c} {be} below {v}", "with {c} under {v}", "with {c} less than {v}")
_AFTER = ("whose {c} {be} after {v}", "with {c} after {v}", "with {c} later than {v}")
_BEFORE = ("whose {c} {be} before {v}", "with {c} before {v}", "with {c} earlier than {v}")
_BETWEEN = ("whose {c} {be} between {v} and {w}", "with {c} from {v} to {w}")
_STARTS = ("whose name starts with {v}", "with a name that begins with {v}")


def aggregate(column: str, random: Random) -> tuple[str, str]:
    """An aggregate that makes sense for a column, and a word for it. Nobody adds up years."""
    words = _YEAR_WORDS if column == "year" else _WORDS
    name = random.choice(list(words))
    return name, random.choice(words[name])


def extreme(column: str, descending: bool, random: Random) -> str:
    """A word for what an order by the column begins with."""
    words = _YEAR_WORDS if column == "year" else _WORDS
    return random.choice(words["MAX" if descending else "MIN"])


def ordered(column: str, descending: bool, random: Random) -> str:
    """How a question asks for an order."""
    return random.choice(ORDERS[descending]).format(column, extreme(column, descending, random))


def condition(table: Table, random: Random, prefix: str = "", without: str = "") -> Worded:
    """A condition that some rows of the table meet and others do not; `without` names a column to leave alone."""
    choices = [c for c in table.choices if c != without]
    numbers = [c for c in table.numbers if c != without]
    sort = random.choices(
        ("is", "not", "order", "between", "starts"),
        weights=(
            45 * bool(choices),
            8 * bool(choices),
            40 * bool(numbers),
            8 * bool(numbers),
            4 * named(table),
        ),
    )[0]
    if sort in ("is", "not"):
        return _choice(table, random.choice(choices), sort == "not", random, prefix)
    if sort == "order":
        return _compared(table, random.choice(numbers), random, prefix)
    if sort == "between":
        return _between(table, random.choice(numbers), random, prefix)
    letter = str(random.choice(table.values("name")))[0]
    return random.choice(_STARTS).format(v=letter), Condition(Item(f"{prefix}name"), "LIKE", f"'{letter}%'")


def named(table: Table) -> bool:
    """Whether its rows have a name that is not asked for by letter too often."""
    return "name" in table.columns


def _choice(table: Table, column: str, negated: bool, random: Random, prefix: str) -> Worded:
    value = random.choice(sorted(set(map(str, table.values(column)))))
    text = random.choice(_IS_NOT if negated else _IS).format(c=column, be=_be(column), v=value)
    return text, Condition(Item(prefix + column), "!=" if negated else "=", literal(value))


def _compared(table: Table, column: str, random: Random, prefix: str) -> Worded:
    value = _inner(table, column, random)
    above = random.random() < 0.5
    forms = (_AFTER, _BEFORE) if column == "year" else (_ABOVE, _BELOW)
    text = random.choice(forms[not above]).format(c=column, be=_be(column), v=value)
    return text, Condition(Item(prefix + column), ">" if above else "<", literal(value))


def _between(table: Table, column: str, random: Random, prefix: str) -> Worded:
    values = sorted(table.values(column), key=float)
    low = random.randrange(len(values) // 2)
    least, most = values[low], values[random.randrange(low + 2, len(values))]
    text = random.choice(_BETWEEN).format(c=column, be=_be(column), v=least, w=most)
    return text, Condition(Item(prefix + column), "BETWEEN", f"{literal(least)} AND {literal(most)}")


def _be(column: str) -> str:
    return "are" if column in PLURAL else "is"


def _inner(table: Table, column: str, random: Random) -> Value:
    """A value that leaves rows on both sides."""
    values = sorted(table.values(column), key=float)
    return values[random.randrange(len(values) // 5, len(values) * 4 // 5)]


def sentence(forms: tuple[str, ...], inside: str, random: Random) -> str:
    """One of the forms round `inside`."""
    return random.choice(forms).format(inside)
