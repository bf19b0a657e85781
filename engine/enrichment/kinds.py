"""The kinds of source that can be built, and building one.

Rule of the file: a kind's module is imported when the first source of that kind is built, so that nobody pays for a library that no rule uses.
"""

from collections.abc import Callable
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any, Final, cast

from engine.errors import RulemillError, SettingsInvalid
from engine.ports import Clock, LookupSource
from engine.rules.compiler import SOURCE_PLUGINS
from engine.rules.model import SourceSpec

MODULES: Final = {
    "file": "engine.enrichment.sources.file",
    "http": "engine.enrichment.sources.http",
    "sql": "engine.enrichment.sources.sql",
}
"""Where `build` of each kind is: from a rule's settings and the clock to a LookupSource."""


def build_place(spec: SourceSpec, clock: Clock) -> LookupSource:
    """One place of a chain: of a kind of ours, or made by a plug-in's factory out of the settings as written.

    Nothing is opened, except that a file is read. Raises SettingsInvalid or LookupFailed where it cannot be built.
    """
    if spec.kind in MODULES:
        build = cast("Callable[[SourceSpec, Clock], LookupSource]", import_module(MODULES[spec.kind]).build)
        return build(spec, clock)
    try:
        (plugin,) = entry_points(group=SOURCE_PLUGINS, name=spec.kind)
        factory: Callable[[Any], LookupSource] = plugin.load()
        return factory(spec.settings)
    except RulemillError:
        raise
    except Exception as error:  # a plug-in may raise anything
        raise SettingsInvalid(f"the plug-in source `{spec.kind}` cannot be built: {type(error).__name__}: {error}") from error
