"""How much state there is in the store that the settings name, for those who do not serve from it.

In: settings and names of states. Out: counts. Rule of the file: the store is opened for the question alone.
"""

from collections.abc import Iterable, Mapping

from engine.clock import SystemClock
from engine.operations.live_groups import LiveGroups, count_states
from engine.settings import Settings
from engine.state.opening import open_store


async def count_in_store(settings: Settings, states: Iterable[str]) -> Mapping[str, LiveGroups]:
    """Keys and groups of each state. Raises SettingsInvalid where the store cannot be opened, StoreUnavailable where it does not answer."""
    store = await open_store(settings, SystemClock())
    try:
        return await count_states(store, states)
    finally:
        await store.close()
