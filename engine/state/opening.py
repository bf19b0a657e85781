"""The state store that the settings name, opened.

In: the settings. Out: a store that is fit for use, or SettingsInvalid, which says why the one that is named is not.
"""

from typing import Literal

from engine.ports import Clock, StateStore
from engine.settings import Settings
from engine.state.memory import MemoryStateStore
from engine.state.redis import RedisStateStore
from engine.state.redis_compact import CompactRedisStateStore
from engine.state.redis_form import check_form
from engine.state.redis_start import check_redis
from engine.state.sqlite import SqliteStateStore


async def open_store(settings: Settings, clock: Clock) -> StateStore:
    """The store; the caller closes it. Raises SettingsInvalid where a server is not there, or would lose or change state by itself."""
    if settings.store == "memory":
        return MemoryStateStore(clock, settings.memory.max_claims)
    if settings.store == "redis":
        await check_redis(settings.redis)
        await check_form(settings.redis)
        return CompactRedisStateStore(settings.redis) if settings.redis.claims == "compact" else RedisStateStore(settings.redis)
    synchronous: Literal["FULL", "NORMAL"] = "FULL" if settings.sqlite.synchronous == "full" else "NORMAL"
    return SqliteStateStore(settings.sqlite.path, clock, synchronous, settings.sqlite.cache_bytes)
