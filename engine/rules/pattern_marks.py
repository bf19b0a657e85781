r"""The characters of a pattern that mean something there.

In: a pattern that compiles. Out: its characters with their places, without those that are escaped or stand in a class. Rule of the file: what `\\Q` and
flags change is not followed; whoever asks looks for these first.
"""

from collections.abc import Iterator


def marks(pattern: str) -> Iterator[tuple[int, str]]:
    """Each character outside of classes that is not escaped, and where it stands."""
    at, in_class = 0, False
    while at < len(pattern):
        char = pattern[at]
        if char == "\\":
            at += 1
        elif in_class:
            in_class = char != "]"
        elif char == "[":
            in_class = True
            at += 2 if pattern[at + 1 : at + 3] == "^]" else 1 if pattern[at + 1 : at + 2] == "]" else 0
        else:
            yield at, char
        at += 1
