"""Where records and dead letters go, as the settings say.

In: settings and rules. Out: an egress and a dead-letter output, open. Rule of the file: what the settings do not name is not even imported.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Final, cast

from engine.egress.dead_letter import FileDeadLetters
from engine.egress.file import FileEgress
from engine.operations.objections import Objections, no_objections
from engine.ports import DeadLetters, Egress
from engine.rules.model import Ruleset
from engine.settings import Settings

_KAFKA: Final = "engine.cli.kafka_outputs"


@dataclass(frozen=True, slots=True)
class Outputs:
    """The outputs of one worker. `problem` says what keeps records or letters from getting there, None where nothing does."""

    egress: Egress
    dead_letters: DeadLetters
    problem: Callable[[], str | None]
    close: Callable[[], Awaitable[None]]


_Open = Callable[[Settings, Ruleset, FileDeadLetters], Awaitable[Outputs]]


async def open_outputs(settings: Settings, ruleset: Ruleset) -> Outputs:
    """Open what the settings name. Raises SettingsInvalid where Kafka, or a topic that these rules name, cannot be used."""
    letters = FileDeadLetters(settings.dead_letters.path, fsync=settings.file.fsync)
    if settings.egress == "kafka":
        open_kafka = cast("_Open", import_module(_KAFKA).open_kafka)
        return await open_kafka(settings, ruleset, letters)
    egress = FileEgress(lambda topic: settings.file.path / f"{topic}.ndjson", fsync=settings.file.fsync)
    return Outputs(egress, letters, lambda: egress.problem, closing(egress.close, letters.close))


def objections_of(settings: Settings) -> Objections:
    """What has to be asked out there before other rules come into service. Raises SettingsInvalid where it cannot be asked at all."""
    if settings.egress != "kafka":
        return no_objections
    return cast("Callable[[Settings], Objections]", import_module(_KAFKA).kafka_objections)(settings)


def closing(*closes: Callable[[], Awaitable[None]]) -> Callable[[], Awaitable[None]]:
    """All of these, one after the other."""

    async def close() -> None:
        for one in closes:
            await one()

    return close
