"""Numbers as arguments of commands.

Rule of the file: what cannot be read is told as `argparse` tells it, with what can.
"""

import argparse


def above_zero(text: str) -> float:
    """A finite number above 0. Raises ArgumentTypeError."""
    try:
        number = float(text)
    except ValueError:
        number = 0
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"`{text}` is no number above 0")
    return number
