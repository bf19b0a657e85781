"""What is too long to be read at a sitting.

In: folders. Out: one line for each file of code over 400 lines and each function over 60; exit code 1 where there
is one. Rule of the file: lines are counted as they stand, comments and docstrings included.
"""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

MOST_IN_A_FILE = 400
MOST_IN_A_FUNCTION = 60


def too_long(file: Path) -> Iterator[str]:
    """Each thing in the file that has more lines than it may."""
    text = file.read_text(encoding="utf-8")
    lines = text.count("\n")
    if lines > MOST_IN_A_FILE:
        yield f"{file}: {lines} lines, at most {MOST_IN_A_FILE}; move a part that has a purpose of its own to another file"
    for node in ast.walk(ast.parse(text, file)):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        lines = (node.end_lineno or node.lineno) - node.lineno + 1
        if lines > MOST_IN_A_FUNCTION:
            yield f"{file}:{node.lineno}: `{node.name}` has {lines} lines, at most {MOST_IN_A_FUNCTION}; give a step of it a name"


if __name__ == "__main__":
    found = [line for folder in sys.argv[1:] for file in sorted(Path(folder).rglob("*.py")) for line in too_long(file)]
    print(*found, sep="\n", end="\n" if found else "")
    sys.exit(1 if found else 0)
