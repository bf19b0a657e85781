"""One form of claims under one prefix.

In: the settings. Out: nothing, or SettingsInvalid. Rule of the file: who keeps claims compact says so in Redis before the first one, and who does not
know of buckets does not start where there may be any: it would take every event in them for new.
"""

from engine.errors import SettingsInvalid
from engine.redis_client import REDIS_FAILURES, failure_text, redis_client
from engine.settings import RedisSettings
from engine.state.redis_keys import RedisKeys

_COMPACT = b"compact"


async def check_form(settings: RedisSettings) -> None:
    """Note down that claims are compact here, or make sure that they are not. Raises SettingsInvalid."""
    address, name = settings.address[0], RedisKeys(settings.prefix).form()
    client = redis_client(settings, settings.deduplication_db)
    try:
        if settings.claims == "compact":
            await client.set(name, _COMPACT)
            return
        found = await client.get(name)
    except REDIS_FAILURES as error:
        raise SettingsInvalid(f"redis: the form of claims at `{address}` cannot be looked up: {failure_text(error)}") from None
    finally:
        await client.aclose()
    if found == _COMPACT:
        raise SettingsInvalid(
            f"redis: claims under the prefix `{settings.prefix}` at `{address}` are compact; set `redis.claims: compact` (REDIS_CLAIMS), "
            f"or take another prefix; once their time to live is over, `redis-cli del {name.decode()}` lets you go on without"
        )
