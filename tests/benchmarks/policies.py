"""Which policy a benchmark measures: the one named by --policy, else the newest SFT policy of the default warehouse."""

import argparse
import sys
from pathlib import Path


def parser_of(description: str | None) -> argparse.ArgumentParser:
    """A benchmark's parser, with --policy and --profile."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--policy", type=Path)
    parser.add_argument("--profile", default="quickstart")
    return parser


def policy_of(given: argparse.Namespace) -> Path:
    """The policy's folder; ends the program, for `make bench`, where there is none to measure."""
    if given.policy is not None:
        return Path(given.policy)
    found = sorted(
        Path("data/warehouse/policies").glob("sft-*/config.json"), key=lambda path: path.stat().st_mtime
    )
    if not found:
        print("no SFT policy in data/warehouse to measure; run `make demo` first, or name one by --policy")
        sys.exit(0)
    return found[-1].parent
