"""How settings are read: what a model declares, from a file and from the environment, with every fault at once.

In: a model whose fields carry an `Env`, a settings file, and the environment, which comes before the file. Out: the model, and where each value
came from; or findings, in the words and forms of those of rules. Rule of the file: no setting is known by name here, and the value of a secret
one is never shown.
"""

import difflib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar, get_args

from pydantic import BaseModel, SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from engine.errors import SettingsInvalid
from engine.rules.diagnostics import Finding, Findings, closest, shown
from engine.rules.loader import split_lines
from engine.rules.places import Span
from engine.rules.reports import human
from engine.settings_file import FileValues, Placed, read_settings_file

Model = TypeVar("Model", bound=BaseModel)

_USER_OF_URL: Final = re.compile(r"(?<=//)[^/\s@]*(?=@|…)")
_OWN_PREFIX: Final = "EVENT_PROCESSOR_"
_SHARED_PREFIXES: Final = ("REDIS_", "KAFKA_")
"""What variables of other programs begin with as well."""

_MISSPELT: Final = 0.9
"""How like each other two names are, after what they begin with, of which one can only be meant as the other: one letter is wrong."""


@dataclass(frozen=True, slots=True)
class Env:
    """The environment variable of a setting. `elsewhere` is what other programs call theirs of the same meaning."""

    name: str
    elsewhere: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Several:
    """Marks a setting that is a list: a sequence in the file, texts with `,` between them in the environment."""


@dataclass(frozen=True, slots=True)
class Named:
    """Marks a setting that is a map: one of texts in the file, an object in JSON or `name=value` with `,` between them in the environment."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting of a model: its dotted `name` in the file, and the `attributes` that lead to its value."""

    name: str
    env: Env
    field: FieldInfo
    attributes: tuple[str, ...]

    @property
    def several(self) -> bool:
        """Whether it is a list."""
        return any(isinstance(mark, Several) for mark in self.field.metadata)

    @property
    def named(self) -> bool:
        """Whether it is a map."""
        return any(isinstance(mark, Named) for mark in self.field.metadata)

    @property
    def secret(self) -> bool:
        """Whether its value is never shown."""
        return SecretStr in (self.field.annotation, *get_args(self.field.annotation))


class SettingsFaulty(SettingsInvalid):
    """Settings with faults: all of them, each with its place. The text is a report for people."""

    def __init__(self, findings: list[Finding], sources: Mapping[str, str]) -> None:
        super().__init__(f"the settings cannot be used\n{human(findings, sources).rstrip()}")
        self.findings = findings
        self.sources = sources


def settings_of(model: type[BaseModel]) -> list[Setting]:
    """Every setting of a model, in the order declared."""
    return list(_settings(model, (), ""))


def read_model(
    model: type[Model],
    path: Path | None,
    environ: Mapping[str, str],
    counts: Callable[[Model, str], bool] = lambda _settings, _section: True,
) -> tuple[Model, dict[str, str]]:
    """The settings in force, and by dotted name where each that is not a default came from.

    `counts` says whether a section, by its name, has an effect with these settings. Raises SettingsFaulty for what stands in the file or the environment, SettingsInvalid where the file cannot be read.
    """
    settings = {setting.name: setting for setting in settings_of(model)}
    lists = {name for name, setting in settings.items() if setting.several}
    findings = Findings()
    data = b"" if path is None else _bytes_of(path)
    maps = {name for name, setting in settings.items() if setting.named}
    in_file = read_settings_file(str(path), data, settings, lists, maps, findings)
    placed = in_file.values | _from_environment(settings.values(), environ)
    _find_unknown_variables(environ, settings.values(), findings)
    read = _validated(model, settings, placed, findings)
    if read is not None:
        given = {name.removesuffix("_file") for name in placed}
        unset = [one for name, one in settings.items() if name not in given and counts(read, name.partition(".")[0])]
        _find_variables_of_others(environ, unset, [setting.env.name for setting in settings.values()], findings)
    if read is None or findings.has_errors:
        found = findings.in_order()
        raise SettingsFaulty(found, {} if path is None else {str(path): _shown_text(data, settings, in_file, found)})
    return read, {name: value.place for name, value in placed.items()}


def _settings(section: type[BaseModel], attributes: tuple[str, ...], prefix: str) -> Iterator[Setting]:
    for name, field in section.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _settings(field.annotation, (*attributes, name), f"{prefix}{name}.")
        for mark in field.metadata:
            if isinstance(mark, Env):
                yield Setting(f"{prefix}{field.validation_alias or name}", mark, field, (*attributes, name))


def _bytes_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise SettingsInvalid(f"{path}: cannot be read: {error.strerror}; name a file that exists") from None


def _from_environment(settings: Iterable[Setting], environ: Mapping[str, str]) -> dict[str, Placed]:
    """Values of variables that are set; an empty one counts as not set."""
    found = {}
    for setting in settings:
        variable = setting.env.name
        if text := environ.get(variable):
            found[setting.name] = Placed(text, variable, _variable_span(variable))
    return found


def _variable_span(name: str) -> Span:
    """A place that is no line of a file."""
    return Span(name, 0, 0, 0, 0)


def _find_unknown_variables(environ: Mapping[str, str], settings: Iterable[Setting], findings: Findings) -> None:
    """Find variables that can only be meant for this engine and that it does not have."""
    own = [name.removeprefix(_OWN_PREFIX) for setting in settings if (name := setting.env.name).startswith(_OWN_PREFIX)]
    for name in sorted(name for name in environ if name.startswith(_OWN_PREFIX) and name.removeprefix(_OWN_PREFIX) not in own):
        near = closest(name.removeprefix(_OWN_PREFIX), own)
        help = "`rulemill config` shows all there are" if near is None else f"did you mean `{_OWN_PREFIX}{near}`?"
        findings.add("C005", f"`{name}` is no setting", _variable_span(name), help=help)


def _find_variables_of_others(
    environ: Mapping[str, str], unset: Iterable[Setting], known: Iterable[str], findings: Findings
) -> None:
    """Find variables that other programs would read for settings that are left at their defaults, and misspelt ones.

    Those that Kubernetes makes of a service's name, `REDIS_PORT=tcp://…`, are nobody's settings.
    """
    meant = {variable: setting for setting in unset for variable in (setting.env.name, *setting.env.elsewhere)}
    for name in sorted(environ.keys() - set(known)):
        if not name.startswith(_SHARED_PREFIXES) or not environ[name] or environ[name].startswith(("tcp://", "udp://")):
            continue
        prefix, _, rest = name.partition("_")
        alike = [one.partition("_")[2] for one in meant if one.startswith(f"{prefix}_")]
        for near in difflib.get_close_matches(rest, alike, n=1, cutoff=_MISSPELT):
            setting = meant[f"{prefix}_{near}"]
            message = f"`{name}` is no setting, and `{setting.name}` is left at its default"
            findings.add("C006", message, _variable_span(name), help=f"write `{setting.env.name}`, or unset `{name}`")


def _validated(
    model: type[Model], settings: Mapping[str, Setting], placed: Mapping[str, Placed], findings: Findings
) -> Model | None:
    tree: dict[str, object] = {}
    for name, value in placed.items():
        section, _, key = name.rpartition(".")
        inner = tree.setdefault(section, {}) if section else tree
        if isinstance(inner, dict):
            inner[key] = value.text
    try:
        return model.model_validate(tree)
    except ValidationError as error:
        for fault in error.errors(include_url=False):
            name = next(name for name in settings if fault["loc"][: name.count(".") + 1] == tuple(name.split(".")))
            seen = placed[name]
            is_what = "cannot be used" if settings[name].secret else f"is `{_without_password(shown(seen.text))}`"
            findings.add("C003", f"`{name}` {is_what}; expected {_expected(fault)}", seen.span)
        return None


def _expected(fault: ErrorDetails) -> str:
    context = fault.get("ctx", {})
    if fault["type"] == "literal_error":
        return str(context["expected"]).replace("'", "`")
    return str(context.get("error", "another value"))


def _shown_text(data: bytes, settings: Mapping[str, Setting], in_file: FileValues, findings: Iterable[Finding]) -> str:
    """The file's text as it may be shown: without the values of secret settings, and of names that may be misspelt ones.

    Where it is not valid YAML nobody knows which values those are: then nothing is shown, if a secret setting is mentioned at all.
    """
    text = data.decode("utf-8-sig", errors="replace")
    mentioned = any(setting.secret and setting.name.rpartition(".")[2] in text for setting in settings.values())
    if mentioned and any(finding.code.startswith("E") for finding in findings):
        return ""
    lines = [list(line) for line in split_lines(text)]
    secret = [value.span for name, value in in_file.values.items() if settings[name].secret]
    for span in (*secret, *in_file.strange):
        for number in range(span.line, min(span.end_line, len(lines)) + 1):
            line = lines[number - 1]
            start = span.col - 1 if number == span.line else 0
            end = span.end_col - 1 if number == span.end_line else len(line)
            line[start:end] = "*" * (min(end, len(line)) - start)
    return _without_password("\n".join("".join(line) for line in lines))


def _without_password(text: str) -> str:
    """The text, as long as it was, without what an address has of a user and a password: there may be one where none belongs."""
    return _USER_OF_URL.sub(lambda found: "*" * len(found[0]), text)
