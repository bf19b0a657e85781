"""What settings are written as: durations, sizes, switches, addresses, tokens, and how each is read.

In: a value as the file or the environment has it. Out: a plain value with its unit in the field's name, or a ValueError that says what is
expected. Rule of the file: nothing here knows which settings there are.
"""

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import orjson
from pydantic import AfterValidator, BeforeValidator, SecretStr

from engine.errors import SettingsInvalid

_DURATION: Final = re.compile(r"([0-9]{1,9})(ms|s|m|h|d)")
_UNITS_MS: Final = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_SIZE: Final = re.compile(r"([0-9]{1,12}) ?(B|KiB|MiB|GiB|)")
_UNITS_BYTES: Final = {"": 1, "B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
_WORDS: Final = {"true": True, "false": False, "yes": True, "no": False, "on": True, "off": False, "1": True, "0": False}
_HOST_NAME: Final = re.compile(r"(?=.{1,253}$)[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*")
_TOKEN: Final = re.compile(r"[A-Za-z0-9._~+/-]{16,512}={0,2}")
_BROKER: Final = re.compile(r"([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]):[0-9]{1,5}")
_TOPIC: Final = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,248}")
_REDIS_ADDRESS: Final = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]{1,253}))(?::([1-9][0-9]{0,4}))?")
_REDIS_PREFIX: Final = re.compile(r"[A-Za-z0-9._:/-]{0,63}[A-Za-z0-9._/-]")


@dataclass(frozen=True)
class Quantity(BeforeValidator):
    """Reads a number within bounds. `expected` says which are taken; `units` are those it may be written in, with their size."""

    expected: str = ""
    units: tuple[tuple[str, int], ...] = ()

    def shown(self, value: int) -> str:
        """The value as it can be written, in the largest unit that leaves it whole."""
        for unit, size in reversed(self.units):
            if value and value % size == 0:
                return f"{value // size}{unit}"
        return f"{value}{self.units[0][0] if self.units else ''}"


def whole(least: int, most: int) -> Quantity:
    """A whole number within these bounds."""
    expected = f"a whole number from {least} to {most}"

    def read(value: object) -> int:
        text = str(value)
        if not re.fullmatch("[0-9]{1,18}", text) or not least <= int(text) <= most:
            raise ValueError(expected)
        return int(text)

    return Quantity(read, expected=expected)


def _quantity(pattern: re.Pattern[str], units: Mapping[str, int], least: str, most: str, kind: str) -> Quantity:
    expected = f"a {kind} from {least} to {most}"

    def amount(text: str) -> int | None:
        match = pattern.fullmatch(text)
        return int(match[1]) * units[match[2]] if match else None

    def read(value: object) -> int:
        found = value if type(value) is int else amount(str(value))
        lowest, highest = amount(least), amount(most)
        if found is None or lowest is None or highest is None or not lowest <= found <= highest:
            raise ValueError(expected)
        return found

    return Quantity(read, expected=expected, units=tuple(units.items()))


def duration(least: str, most: str) -> Quantity:
    """A duration within these bounds, in ms."""
    return _quantity(_DURATION, _UNITS_MS, least, most, "duration")


def size(least: str, most: str) -> Quantity:
    """A size within these bounds, in bytes."""
    return _quantity(_SIZE, _UNITS_BYTES, least, most, "size")


def _read_bool(value: object) -> bool:
    if isinstance(value, bool):
        return value
    if str(value).lower() not in _WORDS:
        raise ValueError("`true` or `false`")
    return _WORDS[str(value).lower()]


def read_host(value: str) -> str:
    """An address or a name to listen on. Raises ValueError."""
    try:
        ipaddress.ip_address(value)
    except ValueError:
        if not _HOST_NAME.fullmatch(value) or value.replace(".", "").isdecimal():
            raise ValueError("the address to listen on, such as `127.0.0.1`, `::` or `localhost`") from None
    return value


def read_tokens(text: str) -> tuple[SecretStr, ...]:
    """The tokens in a text, which has `,` or line ends between them; there may be none.

    A token is what `Authorization: Bearer` takes, and long enough not to be guessed. Raises ValueError, without what was found.
    """
    tokens = [token for line in text.splitlines() for part in line.split(",") if (token := part.strip())]
    if not all(_TOKEN.fullmatch(token) for token in tokens):
        raise ValueError("tokens of 16 to 512 letters, digits and `-._~+/`, such as `openssl rand -hex 32` makes")
    return tuple(map(SecretStr, tokens))


def _read_listed_tokens(value: object) -> object:
    return read_tokens(value) if isinstance(value, str) else value


def text_of_file(setting: str, path: Path, expected: str) -> str:
    """The text of the file that a setting names; `expected` says which file to name. Raises SettingsInvalid if it is none that can be read."""
    try:
        return path.read_text("utf-8")
    except OSError as error:
        raise SettingsInvalid(f"`{setting}`: {path} cannot be read: {error.strerror}; name {expected}") from None
    except UnicodeDecodeError:
        raise SettingsInvalid(f"`{setting}`: {path} is not text; name {expected}") from None


def secret_given(setting: str, value: SecretStr | None, path: Path | None) -> str | None:
    """A secret: the setting's value, or the first line of the file that the setting `<setting>_file` names; None where neither is set.

    Raises SettingsInvalid where both are, and for a file that cannot be read or begins with an empty line.
    """
    if path is None:
        return None if value is None else value.get_secret_value()
    if value is not None:
        raise SettingsInvalid(f"`{setting}` and `{setting}_file` are both set; remove one of them")
    line = text_of_file(f"{setting}_file", path, "a file whose first line is the secret").partition("\n")[0].removesuffix("\r")
    if not line:
        raise SettingsInvalid(f"`{setting}_file`: {path} begins with an empty line; the secret is its first line")
    return line


def _read_topic(value: str) -> str:
    if not _TOPIC.fullmatch(value):
        raise ValueError("1 to 249 letters, digits, `.`, `_` and `-`, not beginning with `.`")
    return value


class RedisAddress(str):
    """Where a Redis server is, as `host:port`; an IPv6 address stands in brackets, and the port is 6379 where none is written."""

    __slots__ = ()

    @classmethod
    def of(cls, host: str, port: int) -> "RedisAddress":
        """The address of a port at a host."""
        return cls(f"[{host}]:{port}" if ":" in host else f"{host}:{port}")

    @property
    def host(self) -> str:
        """The name or address, without brackets."""
        match = _REDIS_ADDRESS.fullmatch(self)
        return "" if match is None else match[1] or match[2]

    @property
    def port(self) -> int:
        """The port."""
        match = _REDIS_ADDRESS.fullmatch(self)
        return int(match[3] or 6379) if match else 0


def read_redis_addresses(value: object) -> tuple[RedisAddress, ...]:
    """One or more addresses, with `,` between them or as a list. Raises ValueError."""
    parts = value.split(",") if isinstance(value, str) else list(value) if isinstance(value, tuple | list) else []
    addresses = tuple(RedisAddress(part.strip()) for part in parts)
    if not addresses or not all(address.host and address.port <= 65_535 for address in addresses):
        other = (
            ", and no URL: `redis.password`, `redis.tls` and the databases are settings of their own"
            if "://" in str(value)
            else ""
        )
        raise ValueError(f"`host:port`, such as `localhost:6379`{other}; with `cluster: true` several")
    return addresses


def read_redis_prefix(value: str) -> str:
    """What keys may begin with. Raises ValueError."""
    if not _REDIS_PREFIX.fullmatch(value):
        raise ValueError("1 to 64 letters, digits and `._:/-`, not ending with `:`")
    return value


def read_lower(value: object) -> object:
    """Text in small letters, anything else as it is."""
    return value.lower() if isinstance(value, str) else value


def read_brokers(value: str) -> str:
    """Brokers as librdkafka takes them. Raises ValueError."""
    if not all(_BROKER.fullmatch(broker) for broker in value.split(",")):
        raise ValueError("brokers as `HOST:PORT`, with `,` between them")
    return value


def _read_options(text: object) -> object:
    """Options as `name=value` with `,` between them, or as an object in JSON, which takes every value."""
    if not isinstance(text, str):
        return text
    try:
        options = orjson.loads(text) if text.startswith("{") else dict(part.strip().split("=", 1) for part in text.split(","))
    except ValueError:
        options = None
    if not isinstance(options, dict) or not all(isinstance(value, str | int | float) for value in options.values()):
        raise ValueError(
            'names of librdkafka with their values: `linger.ms=20,client.id=a`, or `{"linger.ms": 20, "client.id": "a"}`'
        )
    return tuple(SecretStr(f"{name}={_option_text(value)}") for name, value in options.items())


def _option_text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


Switch = Annotated[bool, BeforeValidator(_read_bool)]
Topic = Annotated[str, AfterValidator(_read_topic)]
Options = Annotated[tuple[SecretStr, ...], BeforeValidator(_read_options)]
Tokens = Annotated[tuple[SecretStr, ...], BeforeValidator(_read_listed_tokens)]
