"""The kinds of source that can be built, and building one.

Rule of the file: a kind's module is imported when the first source of that kind is built, so that nobody pays for a library that no rule uses.
"""

from collections.abc import Callable
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any, Final, cast

from engine.enrichment.shared import SharedAnswers
from engine.errors import RulemillError, SettingsInvalid
from engine.ports import Clock, LookupSource
from engine.rules.compiler import SOURCE_PLUGINS
from engine.rules.model import SourceSpec
from engine.settings import RedisSettings, SharedCacheSettings

MODULES: Final = {
    "file": "engine.enrichment.sources.file",
    "http": "engine.enrichment.sources.http",
    "redis": "engine.enrichment.sources.redis",
    "sql": "engine.enrichment.sources.sql",
}
"""Where `build` of each kind is: from a rule's settings, the clock and the engine's own Redis to a LookupSource."""

_SHARED: Final = "engine.enrichment.redis_answers"


def build_shared(redis: RedisSettings, settings: SharedCacheSettings, clock: Clock) -> SharedAnswers:
    """The answers that all workers share. Raises SettingsInvalid where the settings do not go together."""
    built: SharedAnswers = import_module(_SHARED).build(redis, settings, clock)
    return built


def build_place(spec: SourceSpec, clock: Clock, redis: RedisSettings) -> LookupSource:
    """One place of a chain: of a kind of ours, or made by a plug-in's factory out of the settings as written.

    Nothing is opened, except that a file is read. Raises SettingsInvalid or LookupFailed where it cannot be built.
    """
    if spec.kind in MODULES:
        build = cast("Callable[[SourceSpec, Clock, RedisSettings], LookupSource]", import_module(MODULES[spec.kind]).build)
        return build(spec, clock, redis)
    try:
        (plugin,) = entry_points(group=SOURCE_PLUGINS, name=spec.kind)
        factory: Callable[[Any], LookupSource] = plugin.load()
        return factory(spec.settings)
    except RulemillError:
        raise
    except Exception as error:  # a plug-in may raise anything
        raise SettingsInvalid(f"the plug-in source `{spec.kind}` cannot be built: {type(error).__name__}: {error}") from error
