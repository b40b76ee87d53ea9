"""What a schema of the spec says about a value: every error of the validator as a problem at a place in the spec."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from kkiai_sdk.contract._kinds import of_value, of_words
from kkiai_sdk.contract._messages import Problem
from kkiai_sdk.contract._yaml import pointer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kkiai_sdk.contract._spec import Node, Spec


def schema_problems(spec: Spec, schema: Node, rule: str, value: Any, title: str) -> Iterator[Problem]:
    """How a value strays from a schema. ``title`` is what the value is called in words."""
    try:
        # The validator would take half a surrogate pair for text; no encoder does.
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        yield Problem(rule, schema.address, "Unicode text", f"{title} with half a surrogate pair", "surrogates")
        return
    for error in spec.validator(schema.address).iter_errors(value):
        yield _breach(spec, rule, title, error)


def _breach(spec: Spec, rule: str, title: str, error: Any) -> Problem:
    """One error of the validator as what the schema asks for and what is there instead."""
    address, keyword = pointer(*error.schema_path), error.kind.name
    place = [title, *(f"[{step}]" if isinstance(step, int) else f".{step}" for step in error.instance_path)]
    if keyword == "required":
        place.append(f".{error.kind.property}")
    name = "".join(place).removeprefix("the body.")
    if keyword == "required":
        owner = address.rpartition("/")[0]
        described = owner + pointer("properties", error.kind.property)
        is_described = error.kind.property in spec.at(owner).value.get("properties", ())
        return Problem(
            rule, described if is_described else address, f"{name}: required", f"{name}: missing", of_words(name)
        )
    wanted = "one of the declared forms" if keyword in {"anyOf", "oneOf"} else f"{keyword} {_json(_at(spec, address))}"
    return Problem(
        rule, address, f"{name}: {wanted}", f"{name}: {_json(error.instance)}", f"{of_words(name)} {_kind(error)}"
    )


def _at(spec: Spec, address: str) -> Any:
    """The value of a keyword, which may stand behind references."""
    owner, _, keyword = address.rpartition("/")
    return spec.at(owner).value[keyword]


def _kind(error: Any) -> str:
    """The keyword and, as values differ from answer to answer, the kind of what is there."""
    return f"{error.kind.name} {of_value(error.instance)}"


def _json(value: Any) -> str:
    return json.dumps(value)[:100]
