"""Reading a YAML file that may be anything: plain values, the lines they stand in, or one sentence about why not."""

from __future__ import annotations

import math
from importlib import import_module
from typing import TYPE_CHECKING, Any

from kkiai_sdk import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Values that a document may hold, aliases written out. The spec of the task query has about 700; a few hundred
#: operations have some ten thousand. Aliases of aliases make billions of a few lines.
MOST_VALUES = 200_000
#: How deep they may stand.
MOST_LEVELS = 100


def need(module: str) -> Any:
    """A module of the extra ``contract``. Raises ConfigurationError, which says what to install, when it is missing."""
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f'the contract check needs {error.name}, which is not installed: pip install "kkiai-sdk[contract]"'
        ) from error


def pointer(*steps: str | int) -> str:
    """The JSON pointer (RFC 6901) that takes these steps from the root."""
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in steps)


def read_yaml(text: str, name: str) -> dict[str, Any]:
    """The mapping in a YAML text as JSON has it: keys are text, dates are text. Raises ConfigurationError."""
    yaml = need("yaml")
    try:
        found = _Plain(name).copy(yaml.safe_load(text), 0)
    except yaml.YAMLError as error:
        place = getattr(error, "problem_mark", None)
        where = f", line {place.line + 1}" if place else ""
        raise ConfigurationError(
            f"{name}{where} is not YAML: {getattr(error, 'problem', None) or error!s:.100}"
        ) from None
    except (ValueError, OverflowError, RecursionError) as error:
        raise ConfigurationError(f"{name} is not YAML that can be read: {error!s:.100}") from None
    if not isinstance(found, dict):
        raise ConfigurationError(f"{name} is not an OpenAPI document: its root is not a mapping")
    return found


class _Plain:
    """Copies values with everything that JSON does not have turned into text, up to the limits."""

    def __init__(self, name: str) -> None:
        self._name, self._count = name, 0

    def copy(self, value: Any, level: int) -> Any:
        self._count += 1
        if self._count > MOST_VALUES or level > MOST_LEVELS:
            raise ConfigurationError(
                f"{self._name} is too large: it may hold {MOST_VALUES} values, {MOST_LEVELS} deep, aliases written out"
            )
        if isinstance(value, dict):
            return {str(key): self.copy(part, level + 1) for key, part in value.items()}
        if isinstance(value, list | tuple | set):
            return [self.copy(part, level + 1) for part in value]
        if isinstance(value, float) and not math.isfinite(value):
            return str(value)
        return value if value is None or isinstance(value, str | bool | int | float) else str(value)


def lines_of(text: str) -> dict[str, int]:
    """Every pointer of a YAML text with its line, from 1."""
    return dict(_lines(need("yaml").compose(text), "", None))


def _lines(node: Any, address: str, line: int | None) -> Iterator[tuple[str, int]]:
    """A member begins where its name stands, an item where it stands itself."""
    yield address, line or node.start_mark.line + 1
    if node.id == "mapping":
        for key, part in node.value:
            yield from _lines(part, address + pointer(_key(key)), key.start_mark.line + 1)
    if node.id == "sequence":
        for index, part in enumerate(node.value):
            yield from _lines(part, address + pointer(index), None)


def _key(node: Any) -> str:
    return node.value if isinstance(node.value, str) else ""
