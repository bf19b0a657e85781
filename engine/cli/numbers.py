"""Numbers as arguments of commands.

Rule of the file: what cannot be read is told as `argparse` tells it, with what can.
"""

import argparse
from collections.abc import Callable


def above_zero(text: str) -> float:
    """A finite number above 0. Raises ArgumentTypeError."""
    try:
        number = float(text)
    except ValueError:
        number = 0
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"`{text}` is no number above 0")
    return number


def whole(least: int, most: int) -> Callable[[str], int]:
    """What takes a whole number from `least` to `most`. It raises ArgumentTypeError for anything else."""

    def read(text: str) -> int:
        if not (text.isascii() and text.isdecimal() and least <= int(text) <= most):
            raise argparse.ArgumentTypeError(f"`{text}` is no whole number from {least:,} to {most:,}")
        return int(text)

    return read
