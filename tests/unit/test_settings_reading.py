"""Settings of a model, lists and secrets included."""

from pathlib import Path
from typing import Annotated

import pytest
from pydantic import BaseModel, BeforeValidator, SecretStr

from engine.settings_list import shown_value
from engine.settings_reading import Env, SettingsFaulty, Several, read_model, settings_of


def long_enough(value: object) -> object:
    found = str(value).split(",") if isinstance(value, str) else value
    if isinstance(found, list) and any(len(token) < 8 for token in found):
        raise ValueError("tokens of 8 characters or more")
    return found


class Access(BaseModel):
    tokens: Annotated[tuple[SecretStr, ...], BeforeValidator(long_enough), Several(), Env("ACCESS_TOKENS")] = ()
    names: Annotated[tuple[str, ...], BeforeValidator(long_enough), Several(), Env("ACCESS_NAMES")] = ()


class Model(BaseModel):
    access: Access = Access()


SECRET = "sesame-open"  # noqa: S105 - of nobody


def read(folder: Path, text: str, **environ: str) -> Access:
    path = folder / "settings.yaml"
    path.write_text(text)
    return read_model(Model, path, environ)[0].access


def report(folder: Path, text: str, **environ: str) -> str:
    with pytest.raises(SettingsFaulty) as caught:
        read(folder, text, **environ)
    return str(caught.value)


@pytest.mark.parametrize("text", ["[first-one, second-one]", "first-one,second-one", "\n    - first-one\n    - second-one"])
def test_a_list_is_a_sequence_or_a_text_with_commas(tmp_path: Path, text: str) -> None:
    assert read(tmp_path, f"access:\n  names: {text}\n").names == ("first-one", "second-one")
    assert read(tmp_path, "", ACCESS_NAMES="first-one,second-one").names == ("first-one", "second-one")


def test_a_list_of_other_things_than_texts_is_refused(tmp_path: Path) -> None:
    assert "`access.names` is not a single value" in report(tmp_path, "access: {names: [{a: 1}]}")


@pytest.mark.parametrize(
    "text",
    [
        f"access: {{tokens: [{SECRET}, short]}}\n",
        f"access:\n  tokens:\n    - {SECRET}\n    - short\n",
        f"access: {{tokns: {SECRET}}}\n",
        f"tokens:\n  - {SECRET}\n",
        f"access: {{tokens: {{a: {SECRET}}}}}\n",
        f"access:\n  tokens: a-long-one\n  tokens: {SECRET}\n",
        f'access:\n  tokens: "{SECRET}\n',
        f"access:\n  tokens: !secret {SECRET}\n",
    ],
)
def test_no_report_shows_a_secret(tmp_path: Path, text: str) -> None:
    assert SECRET not in report(tmp_path, text)


def test_the_value_of_a_secret_variable_is_not_shown_either(tmp_path: Path) -> None:
    shown = report(tmp_path, "", ACCESS_TOKENS=f"{SECRET},short")

    assert "`access.tokens` cannot be used; expected tokens of 8 characters or more" in shown
    assert SECRET not in shown


def test_secret_values_are_shown_as_stars_and_others_as_they_are(tmp_path: Path) -> None:
    access = read(tmp_path, "access: {tokens: [first-one, second-one], names: [a-name-here]}")
    secret, names = settings_of(Model)

    assert (shown_value(secret, access.tokens), shown_value(names, access.names)) == ("***,***", "a-name-here")
    assert (secret.secret, names.secret) == (True, False)
