"""Where something of the rules stands.

In: nothing; the loader makes places as it reads. Out: a place for every node, value and finding. Rule of the file: it knows nothing of rules.
"""

from typing import NamedTuple


class Span(NamedTuple):
    """Where something stands: a file, and 1-based lines and columns; the end is exclusive.

    A tuple is made three times as fast as a frozen class, and of these there are more than of anything else.
    """

    file: str
    line: int
    col: int
    end_line: int
    end_col: int


NOWHERE = Span("", 0, 0, 0, 0)


class Mention(NamedTuple):
    """A name, `what` it is a name of, and where it stands; `of` says whose part that is, where it is a part of something."""

    what: str
    name: str
    span: Span
    of: str = ""
