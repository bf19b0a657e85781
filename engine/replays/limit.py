"""How much may change, as the author says it: a number of events, or a share of them."""

import re
from dataclasses import dataclass
from typing import Final

_FORM: Final = re.compile(r"([0-9]{1,12})(?:(\.[0-9]{1,6})?(%))?")


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `most` changed events, or per cent of all where `is_share`."""

    text: str
    most: float
    is_share: bool

    def is_exceeded(self, changed: int, events: int) -> bool:
        """Whether more changed than may."""
        return changed * 100 > self.most * events if self.is_share else changed > self.most


def parse_limit(text: str) -> Limit:
    """`25` or `0.5%`. Raises ValueError, with what is expected."""
    found = _FORM.fullmatch(text)
    if found is None or (found[3] and float(found[1] + (found[2] or "")) > 100):
        raise ValueError(f"`{text}` is no limit; write a number of events, `25`, or a share of them, `0.5%`")
    return Limit(text, float(found[1] + (found[2] or "")), bool(found[3]))
