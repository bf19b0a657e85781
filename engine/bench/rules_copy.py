"""A copy of a rules directory that can be changed while it is in service.

In: a rules directory. Out: one with the same rules and more. Rule of the file: what rules refer to beside their directory is found
beside the copy as well.
"""

import shutil
from pathlib import Path

_MORE = "filters-of-the-bench.yaml"


class RulesCopy:
    """The rules of `original`, in a new directory under `place`."""

    def __init__(self, original: Path, place: Path) -> None:
        original = original.resolve()
        place.mkdir(parents=True)
        for beside in original.parent.iterdir():
            if beside != original and beside.is_dir():
                (place / beside.name).symlink_to(beside)
        self.directory = place / original.name
        shutil.copytree(original, self.directory)

    def add_filters(self, number: int, version: int = 0) -> None:
        """Have so many more filters, which look at each event and act on none; another `version` is another ruleset."""
        if not number:
            return
        lines = [_filter(index, version) for index in range(number)]
        fresh = self.directory.parent / "fresh.yaml"
        fresh.write_text("\n".join(["version: 1", "filters:", *lines, ""]), encoding="utf-8")
        fresh.replace(self.directory / _MORE)


def _filter(index: int, version: int) -> str:
    """Three kinds in turn: a number of the event, a text of it, and what a source knows of its user."""
    tests = (
        f"response_time_ms: {{gt: {1_000_000_000 + 1_000 * version + index}}}",
        f"user_agent: {{starts_with: browser-{version}-{index}}}",
        f"user.study_streak: {{gt: {1_000_000 + 1_000 * version + index}}}",
    )
    return f"  bench_{index}: {{when: {{{tests[index % 3]}}}, then: {{allow: {{mark: bench_{index}}}}}}}"
