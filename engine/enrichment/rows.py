"""Rows as events can carry them.

In: what a place found for a key. Out: the fields that the rule names, as plain JSON. Rule of the file: a row that could not go out with an event
is a failure of its own key; it harms neither the event nor the keys that were asked for with it.
"""

from collections.abc import Sequence

import orjson

from engine.errors import LookupFailed
from engine.event import JsonObject


def carried(row: object, fields: Sequence[str]) -> JsonObject:
    """The row with `fields` alone, all of it where none are named. Raises LookupFailed where it is none, or is what a place gave in its stead.

    What JSON has no form for but `orjson` knows, such as times, becomes text, and NaN becomes null.
    """
    if isinstance(row, LookupFailed):
        raise row
    if not isinstance(row, dict):
        raise LookupFailed("it is no object")
    try:
        # As deep as it will stand in an event: the encoder goes down 254 levels and no further.
        plain: JsonObject = orjson.loads(orjson.dumps([[cut(row, fields)]]))[0][0]
    except orjson.JSONEncodeError as error:
        raise LookupFailed(f"it cannot be written as JSON: {error}") from error
    return plain


def cut(row: JsonObject, fields: Sequence[str]) -> JsonObject:
    """The row with `fields` alone, all of it where none are named."""
    return {name: row[name] for name in fields if name in row} if fields else row
