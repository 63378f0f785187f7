"""Values of options that several commands take."""

from __future__ import annotations

import argparse


def positive(text: str) -> int:
    """Parse a number from 1."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a number from 1")
    return value
