"""Which events a filter acts on while it is rolled out: a share of the keys, always the same ones.

In: a share, and the id of the filter. Out: a function of a key. Rule of the file: the answer depends on filter, key and share alone, in every process and for ever; a
larger share has all the keys of a smaller one. Filters differ in which keys come first, so that nobody meets all that is new.
"""

from collections.abc import Callable
from hashlib import blake2b
from typing import Final

from engine.rules.keys import key_part
from engine.rules.model import Rollout

_BYTES: Final = 8
_ALL: Final = 1 << 8 * _BYTES
_EVERYBODY: Final = 100


def rollout_holds(rollout: Rollout, filter_id: str) -> Callable[[object], bool]:
    """A function that says whether the rollout has the key that it is given.

    All events are in at 100 percent; below, one whose key is missing, null, a list or an object is not. `1` and `"1"` are one key.
    """
    limit = round(rollout.percent / _EVERYBODY * _ALL)
    salt = blake2b(filter_id.encode("utf-8", "surrogatepass"), digest_size=16).digest()

    def holds(value: object) -> bool:
        text = key_part(value)
        if limit >= _ALL or text is None:
            return limit >= _ALL
        digest = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=_BYTES, key=salt).digest()
        return int.from_bytes(digest, "big") < limit

    return holds
