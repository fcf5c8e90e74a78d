"""Every setting as a flag: `explore.max_candidates` is `--explore.max-candidates`.

The flags are made from the `Settings` tree, so that help, bounds and defaults are written once. A flag that
the user did not give leaves the profile's value alone; that is why the tree itself is not the command's
parameter, whose defaults nobody could tell from given values.
"""

import inspect
import json
from collections.abc import Callable, Iterator
from functools import cache
from typing import Annotated, Any, Literal, get_origin

from cyclopts import Group, Parameter
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from rro.tasks.settings import Settings

ON_OFF = Literal["true", "false"]


def takes_settings(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give `command` a flag for every setting in place of its `**given`; those the user gave arrive there."""
    own = [p for p in inspect.signature(command).parameters.values() if p.kind is not p.VAR_KEYWORD]
    parameters = [*own, *settings_flags()]
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return command


def settings_flags() -> list[inspect.Parameter]:
    """One keyword parameter a setting, named by its path with `__` for dots, None unless given."""
    return [flag(path, field, default) for path, field, default in leaves(Settings)]


def leaves(
    model: type[BaseModel], path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], FieldInfo, Any]]:
    """Path, field and default of every setting below `model`, as written."""
    for name, field in model.model_fields.items():
        annotation = field.annotation
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            yield from leaves(annotation, (*path, name))
        else:
            yield (*path, name), field, field.get_default(call_default_factory=True)


def flag(path: tuple[str, ...], field: FieldInfo, default: Any) -> inspect.Parameter:
    """The parameter for one setting."""
    hint: Any = flag_type(field.annotation)
    words = "--" + ".".join(path).replace("_", "-")
    shown = Parameter(
        name=words,
        group=group(path[0] if len(path) > 1 else ""),
        help=help_text(field, default, words),
        show_default=False,
        consume_multiple=get_origin(hint) is list,
        metavar=field.annotation.__name__.upper() if field.annotation in (int, float) else None,
        negative=(),
    )
    return inspect.Parameter(
        "__".join(path),
        inspect.Parameter.KEYWORD_ONLY,
        default=None,
        annotation=Annotated[hint | None, shown],
    )


def flag_type(annotation: Any) -> Any:
    """The type that reads a setting's words: every flag takes a value, on and off ones too.

    Numbers stay text for pydantic, which refuses `2.5` for a whole number; Cyclopts would cut it to 2.
    """
    if annotation in (int, float):
        return str
    if annotation is bool:
        return ON_OFF
    return dict[str, str] if get_origin(annotation) is dict else annotation


@cache
def group(name: str) -> Group:
    """The panel of the help page for a group of settings; panels stand in the order of the groups."""
    names = [path[0] for path, *_ in leaves(Settings) if len(path) > 1]
    return (
        Group(f"Settings: {name}", sort_key=10 + names.index(name)) if name else Group("Settings", sort_key=9)
    )


def help_text(field: FieldInfo, default: Any, words: str) -> str:
    """What the setting is, then its bounds and default in brackets."""
    notes = list(bounds(field))
    if get_origin(field.annotation) is dict:
        notes.append(f"{words}.KEY VALUE")
    if default not in ({}, []):
        notes.append(f"default: {default if isinstance(default, str) else json.dumps(default)}")
    sentence = (field.description or "").replace("\n", " ")
    return f"{sentence} [{'; '.join(notes)}]".strip() if notes else sentence


def bounds(field: FieldInfo) -> Iterator[str]:
    """The limits pydantic checks, in words."""
    words = {
        "ge": "at least",
        "gt": "more than",
        "le": "at most",
        "lt": "less than",
        "multiple_of": "multiple of",
    }
    for limit in field.metadata:
        yield from (f"{word} {getattr(limit, name)}" for name, word in words.items() if hasattr(limit, name))


def overrides(given: dict[str, Any]) -> dict[str, Any]:
    """The flags that the user gave, as a tree that can be laid over a profile."""
    tree: dict[str, Any] = {}
    for name, value in given.items():
        if value is None:
            continue
        *groups, leaf = name.split("__")
        below = tree
        for group in groups:
            below = below.setdefault(group, {})
        below[leaf] = options(value) if isinstance(value, dict) else value
    return tree


def options(words: dict[str, str]) -> dict[str, Any]:
    """Free options, `page-size` being `page_size`, each value read as JSON where it is JSON."""
    return {key.replace("-", "_"): scalar(value) for key, value in words.items()}


def scalar(word: str) -> Any:
    """`5`, `0.4`, `true` and `[1, 2]` as what they say; anything else is text."""
    try:
        return json.loads(word, parse_constant=lambda name: name)
    except (ValueError, RecursionError):
        return word
