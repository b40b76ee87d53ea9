"""Validate an OpenAPI document, as the generator and the contract check read it: ``python codegen/validate.py FILE``.

Prints the first error in one line, with its place. Exit codes: 0 valid, 1 invalid, 2 unreadable.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from jsonschema.exceptions import best_match
from openapi_spec_validator import OpenAPIV30SpecValidator, OpenAPIV31SpecValidator

ROOT = Path(__file__).resolve().parent.parent
if not __package__:  # run by path: sys.path then starts with this folder instead of the project's
    sys.path.insert(0, str(ROOT))

from codegen.spec_document import SpecError, escape, read  # noqa: E402 - needs the line above

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Validate the document that is named and return the exit code."""
    (file,) = sys.argv[1:] if arguments is None else arguments
    try:
        document = read(file, ROOT)
    except SpecError as error:
        print(error, file=sys.stderr)
        return 2
    is_old = str(document.root.value["openapi"]).startswith("3.0")
    validator = (OpenAPIV30SpecValidator if is_old else OpenAPIV31SpecValidator)(document.root.value)
    found = next(validator.iter_errors(), None)  # it may raise after the first
    if found is None:
        return 0
    inner = best_match(found.context or []) or found
    pointer, text = "".join(f"/{escape(step)}" for step in inner.absolute_path), inner.message.splitlines()[0]
    print(f"error: {text} at {pointer or '/'} ({file}:{document.line_of(pointer)})", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
