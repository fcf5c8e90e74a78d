"""What ships with the package: the made-up shop, the profiles, and the SQL."""

from importlib.resources import files
from importlib.resources.abc import Traversable


def resource(*parts: str) -> Traversable:
    """The shipped file or folder at `data/<parts>`, in a checkout and in an installed wheel alike."""
    return files(__name__).joinpath(*parts)
