"""Say what changed between two versions of the spec, and whether it breaks anybody.

``python codegen/spec_diff.py BASE [HEAD]``: BASE and HEAD are files or git revisions; HEAD is the working tree's
``openapi.yaml`` if it is not given. One line per change, nothing if there is none. Exit codes: 0 nothing breaks, 1
something does and the version was not raised for it, 2 there is nothing to compare.
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
if not __package__:  # started by path: Python then looks for modules beside this file, not beside `codegen`
    sys.path.insert(0, str(ROOT))

from codegen.spec_compare import compare  # noqa: E402 - needs the line above
from codegen.spec_document import SPEC_NAME, Document, SpecError, read  # noqa: E402
from codegen.spec_judges import ABSENT, text_of_or_absent  # noqa: E402
from codegen.spec_rules import Level  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Sequence

    from codegen.spec_walk import Change

_SHOWN = 60


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and give its exit code."""
    parser = argparse.ArgumentParser(prog="spec_diff.py", description="Classify the changes between two specs.")
    parser.add_argument("base", metavar="BASE", help="the older version: a file or a git revision")
    parser.add_argument("head", metavar="HEAD", nargs="?", help=f"the newer version (default: {SPEC_NAME} as it is)")
    parser.add_argument("--json", action="store_true", help="print each change as a JSON object")
    options = parser.parse_args(arguments)
    try:
        base = read(options.base, ROOT)
        head = read(options.head or os.path.relpath(ROOT / SPEC_NAME), ROOT)
        changes = compare(base, head)
    except SpecError as error:
        print(_ascii(f"spec_diff.py: {error}"), file=sys.stderr)
        return 2
    for change in changes:
        print(json.dumps(as_data(change)) if options.json else as_line(change))
    versions = _version(base), _version(head)
    if changes and not options.json:
        print(_summary(changes, *versions))
    return int(_is_breaking(changes) and not version_allows_breaking(*versions))


def version_allows_breaking(before: str, after: str) -> bool:
    """Whether the second version is raised enough for breaking changes (semver.org, rules 4 and 8).

    That is a higher major version or, below 1.0, a higher minor one. What is no version allows nothing.
    """
    found = [re.match(r"(\d+)\.(\d+)(?!\d)", version) for version in (before, after)]
    if found[0] is None or found[1] is None:
        return False
    (old_major, old_minor), (new_major, new_minor) = (tuple(map(int, each.groups())) for each in found if each)
    return new_major > old_major or (new_major == old_major == 0 and new_minor > old_minor)


def as_line(change: Change) -> str:
    """A change as one line of ASCII: level, what, JSON pointer, file and line, before and after, rule."""
    rule = change.rule
    values = f"{_shown(change.before)} -> {_shown(change.after)}"
    where = f"{change.pointer or '/'} ({change.file}:{change.line})"
    return _ascii(f"{rule.level.name.lower()}: {rule.what} at {where}: {values} [{rule.id}]")


def as_data(change: Change) -> dict[str, Any]:
    """A change as plain data. ``from`` or ``to`` is left out where there was, or is, nothing."""
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
    if not _is_breaking(changes):
        return text
    if version_allows_breaking(before, after):
        return _ascii(f"{text}; version {before} -> {after} allows it")
    return _ascii(f"{text}; undo it, or raise info.version: the major, or the minor below 1.0 ({before} -> {after})")


def _version(document: Document) -> str:
    return str(document.root.value["info"]["version"])


def _shown(value: Any) -> str:
    text = text_of_or_absent(value)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."


def _ascii(text: str) -> str:
    """The text on one line, safe for any terminal."""
    return json.dumps(text)[1:-1].replace('\\"', '"').replace("\\\\", "\\")


if __name__ == "__main__":
    sys.exit(main())
