"""What `tools/lint` says of files and functions that are too long."""

import subprocess
import sys
from pathlib import Path


def sizes(checkout: Path, *folders: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, checkout / "tools" / "sizes.py", *folders], capture_output=True, text=True, check=False, cwd=checkout
    )


def function(lines: int) -> str:
    return "def grown() -> None:\n" + "    print()\n" * (lines - 1)


def test_a_file_and_a_function_are_taken_up_to_the_limit_and_no_further(checkout: Path, tmp_path: Path) -> None:
    for name, text in {"fits": function(60) + "\n" * 340, "long_file": "\n" * 401, "long_function": "\n" + function(61)}.items():
        (tmp_path / f"{name}.py").write_text(text, encoding="utf-8")

    found = sizes(checkout, tmp_path)

    assert found.returncode == 1
    assert [line.split("; ")[0] for line in found.stdout.splitlines()] == [
        f"{tmp_path}/long_file.py: 401 lines, at most 400",
        f"{tmp_path}/long_function.py:2: `grown` has 61 lines, at most 60",
    ]


def test_nothing_here_is_too_long(checkout: Path) -> None:
    folders = [checkout / name for name in ("engine", "tests", "tools")]

    assert sizes(checkout, *folders).stdout == ""
