"""Rule tests in pytest: `pytest rules/tests` runs each as an item.

In: files that pytest comes by. Out: collectors for those with rule tests. Rule of the file: pytest loads it in every project that has the package
installed, so it imports nothing else, and does nothing unless it is asked to: by the ini option `rulemill_rules`, or by a path on the command line.
"""

import importlib
import re
from pathlib import Path
from typing import Final

import pytest

_INI: Final = "rulemill_rules"
_ENDINGS: Final = (".yaml", ".yml")
_RULE_TESTS: Final = re.compile(rb"^version:.*^tests:|^tests:.*^version:", re.DOTALL | re.MULTILINE)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the ini option."""
    parser.addini(_INI, "directories of Rulemill rules, whose tests are collected", type="paths", default=[])


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """A collector for a file of rule tests, where rule tests were asked for."""
    if file_path.suffix not in _ENDINGS or not _asked_for(file_path, parent.config):
        return None
    if _RULE_TESTS.search(file_path.read_bytes()) is None:
        return None
    items = importlib.import_module("engine.trials.pytest_items")
    collector: pytest.Collector = items.RuleTestFile.from_parent(parent, path=file_path)
    return collector


def _asked_for(file: Path, config: pytest.Config) -> bool:
    """Whether a file lies below a directory of the ini option, or was named on the command line, or its directory was."""
    if any(file.is_relative_to(directory) for directory in config.getini(_INI)):
        return True
    here = config.invocation_params.dir
    named = [(here / str(argument).partition("::")[0]).resolve() for argument in config.invocation_params.args]
    return file in named or file.parent in named
