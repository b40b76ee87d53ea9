"""Classify the changes between two versions of the spec as breaking, additive or harmless.

``python codegen/spec_diff.py BASE [HEAD]``: BASE and HEAD are files or git revisions; HEAD defaults to ``openapi.yaml``
of the working tree. Prints one line for each change. Exit codes: 0 compatible, 1 breaking without a raised version, 2
usage, or a document that cannot be read.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

ROOT = Path(__file__).resolve().parent.parent
if not __package__:  # run by path: sys.path then starts with this folder instead of the project's
    sys.path.insert(0, str(ROOT))

from codegen.spec_compare import compare  # noqa: E402 - needs the line above
from codegen.spec_document import ABSENT, SPEC_NAME, Document, read, text_of  # noqa: E402
from codegen.spec_rules import Level  # noqa: E402
from kkiai_sdk import ConfigurationError  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Sequence

    from codegen.spec_walk import Change

_MAX_SHOWN = 60


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    parser = argparse.ArgumentParser(prog="spec_diff.py", description="Classify the changes between two specs.")
    parser.add_argument("base", metavar="BASE", help="the older version: a file or a git revision")
    parser.add_argument("head", metavar="HEAD", nargs="?", help=f"the newer version (default: {SPEC_NAME} as it is)")
    parser.add_argument("--json", action="store_true", help="print each change as a JSON object")
    options = parser.parse_args(arguments)
    try:
        base = read(options.base, ROOT)
        head = read(options.head or os.path.relpath(ROOT / SPEC_NAME), ROOT)
        changes = compare(base, head)
    except ConfigurationError as error:
        print(_ascii(f"spec_diff.py: {error}"), file=sys.stderr)
        return 2
    for change in changes:
        print(json.dumps(as_data(change)) if options.json else as_line(change))
    versions = _version(base), _version(head)
    if changes and not options.json:
        print(_summary(changes, *versions))
    return int(_is_breaking(changes) and not version_allows_breaking(*versions))


def version_allows_breaking(before: str, after: str) -> bool:
    """Return whether the second version allows breaking changes (semver.org, rules 4 and 8): it has a higher major
    number or, below 1.0, a higher minor one. Text that is not a version does not.
    """
    old, new = _numbers(before), _numbers(after)
    significant = 1 + (old[:1] == [0])
    return bool(old) and new[:significant] > old[:significant]


def next_version(before: str, worst: Level) -> str | None:
    """Return the version that changes of a level ask for (semver.org, rules 4 and 6 to 8): below 1.0 a breaking change
    raises the minor number, any other the patch. Text that is not three numbers has none.
    """
    numbers = _numbers(before)
    raised = min(worst + (numbers[:1] == [0]), 2)
    return ".".join(map(str, [*numbers[:raised], numbers[raised] + 1, 0, 0][:3])) if numbers else None


def _numbers(version: str) -> list[int]:
    """Return the three numbers of a version; none for any other text."""
    found = re.match(r"(\d+)\.(\d+)\.(\d+)", version)
    return [int(each) for each in found.groups()] if found else []


def as_line(change: Change) -> str:
    """Format a change as one line of ASCII: level, description, JSON pointer, file and line, values, rule."""
    rule = change.rule
    values = f"{_shown(change.before)} -> {_shown(change.after)}"
    where = f"{change.pointer or '/'} ({change.file}:{change.line})"
    return _ascii(f"{rule.level.name.lower()}: {rule.what} at {where}: {values} [{rule.id}]")


def as_data(change: Change) -> dict[str, Any]:
    """Return a change as JSON data, without ``from`` or ``to`` for a value that is missing."""
    rule = change.rule
    values = {"from": change.before, "to": change.after}
    return {
        "level": rule.level.name.lower(),
        "rule": rule.id,
        "why": rule.why,
        "pointer": change.pointer,
        "file": change.file,
        "line": change.line,
        **{key: value for key, value in values.items() if value is not ABSENT},
    }


def _is_breaking(changes: Sequence[Change]) -> bool:
    return any(change.rule.level is Level.BREAKING for change in changes)


def _summary(changes: Sequence[Change], before: str, after: str) -> str:
    levels = Counter(change.rule.level for change in changes)
    counts = ", ".join(f"{levels[level]} {level.name.lower()}" for level in Level)
    text = f"{len(changes)} change{'s' * (len(changes) > 1)}: {counts}"
    if _is_breaking(changes) and version_allows_breaking(before, after):
        text += f"; version {before} -> {after} allows it"
    elif _is_breaking(changes):
        text += f"; undo it, or raise info.version: the major, or the minor below 1.0 ({before} -> {after})"
    version = next_version(before, min(levels))
    return _ascii(f"{text}; according to SemVer, {before} is followed by {version}" if version else text)


def _version(document: Document) -> str:
    return str(document.root.value["info"]["version"])


def _shown(value: Any) -> str:
    text = text_of(value)
    return text if len(text) <= _MAX_SHOWN else f"{text[: _MAX_SHOWN - 3]}..."


def _ascii(text: str) -> str:
    """Escape a text to one line that is safe for any terminal."""
    return json.dumps(text)[1:-1].replace('\\"', '"').replace("\\\\", "\\")


if __name__ == "__main__":
    sys.exit(main())
