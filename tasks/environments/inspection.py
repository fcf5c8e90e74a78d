"""What `rro data check` finds in a prepared data folder, whatever environment it is for."""

from dataclasses import dataclass, field


@dataclass(slots=True)
class Inspection:
    """What a folder holds, and everything that is wrong with it."""

    facts: dict[str, str] = field(default_factory=dict)
    """What it holds: a label and a value for reading, in the order to be shown."""
    problems: list[str] = field(default_factory=list)
    """One line each, naming the thing and the file; empty for a whole folder."""
