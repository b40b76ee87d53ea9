"""Rejects a document that the check cannot use, before anything is sent."""

from __future__ import annotations

from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import quote

from kkiai_sdk import ConfigurationError, KkiaiError
from kkiai_sdk.contract._findings import one_line
from kkiai_sdk.contract._messages import Exchange, Request, Response
from kkiai_sdk.contract._report import coverage
from kkiai_sdk.contract._rules import RULES, judge
from kkiai_sdk.contract._spec import need, pointer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kkiai_sdk.contract._spec import Operation, Spec


# A document does not change: one that has passed is not checked again.
@lru_cache(maxsize=4)
def precheck(spec: Spec) -> Spec:
    """The document, after trying everything that the check does with it. Raises ConfigurationError."""
    with translated_errors(spec):
        _validate(spec)
        coverage(spec, (), spec.operations)
        for rule in RULES:
            spec.line_of(rule.address)
    return spec


@contextmanager
def translated_errors(spec: Spec) -> Iterator[None]:
    """Convert every error to a ConfigurationError about the document, which is the caller's."""
    try:
        yield
    except KkiaiError:
        raise
    except Exception as error:
        words = one_line(" ".join(str(error).split()))[:160]
        text = f"{spec.name} is not an OpenAPI 3.0 or 3.1 document that can be checked: {type(error).__name__}: {words}"
        raise ConfigurationError(text) from error


def _validate(spec: Spec) -> None:
    """Validate the document, and compile each schema: a pattern may be wrong in a valid document."""
    jsonschema = need("jsonschema_rs")
    try:
        spec.api.validate()
    except jsonschema.ValidationError as error:
        address = pointer(*error.instance_path)
        where = f"{spec.name}, line {spec.line_of(address)}, is not OpenAPI 3.1 at {address or 'its root'}"
        raise ConfigurationError(f"{where}: {one_line(error.message):.160}") from None
    for each in spec.operations:
        _validate_operation(spec, each)


def _validate_operation(spec: Spec, operation: Operation) -> None:
    request = Request(operation.method, operation.path, "id=a")
    for status, declared in spec.children(operation, "responses").items():
        number = int(status) if status.isdecimal() and len(status) == 3 else 500 if status[:1] == "5" else 200
        fields = [(name, "1") for name in spec.children(declared, "headers")]
        for name, media in spec.children(declared, "content").items():
            if "schema" in media.value:
                address = quote(spec.child(media, "schema").address, safe="/~")
                need("jsonschema_rs").Draft202012Validator({**spec.document, "$ref": f"#{address}"})
            judge(spec, Exchange(request, Response(number, (("Content-Type", name.replace("*", "x")), *fields), b"{}")))
