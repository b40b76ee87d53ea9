"""The generator's templates with our changes. No copies of them are kept here, only the lines that change."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

_HERE = Path(__file__).parent
_HEADERS = '{% if endpoint.header_parameters or endpoint.bodies | length > 0 %}\n    _kwargs["headers"] = headers\n'
_PARSED = '{% set parsed_responses = (endpoint.responses | length > 0) and return_string != PythonCode("Any") %}'
_SOURCES = 'endpoint.responses | map(attribute="source") | map(attribute="attribute")'
_MODULE = "{% set module_name = model.class_info.module_name %}\n"
_FIELDS = '(model.required_properties + model.optional_properties) | map(attribute="python_name")'
_CHECK = 'inner_template.check_type_for_construct(inner_property, "data")'
_WRITE = "inner_template.transform(inner_property, source, destination, declare_type=False)"
_JSON = (
    "{{ prop_template.transform(property, property.python_name, "
    '"_kwargs[\\"json\\"]", skip_unset=True, declare_type=False) }}\n'
)
# By template: texts, each with what stands in its place.
CHANGES: dict[str, list[tuple[str, str]]] = {
    "endpoint_module.py.jinja": [
        (_HEADERS, (_HERE / "accept_header.jinja").read_text("utf-8") + _HEADERS),
        # A body of any form would not be given at all.
        (_PARSED, f'{{% set parsed_responses = {_SOURCES} | reject("equalto", "None") | list | length > 0 %}}'),
    ],
    "endpoint_macros.py.jinja": [
        # The generator forgets, from one body to the next, that all are required.
        ("{% if not body_required %} | Unset", "{% if not endpoint.bodies[0].prop.required %} | Unset"),
        ("{%- if endpoint.description %} {{", "{%- if endpoint.description %}{{"),
        # httpx.AsyncClient takes no file, and a file could not be sent again.
        ('_kwargs["content"] = body.payload', '_kwargs["content"] = body.payload.read()'),
        # A union that is not given would be sent all the same.
        (
            _JSON,
            "{% if property.required or property.inner_properties is not defined %}\n" + _JSON + "{% else %}\n"
            "if not isinstance({{ property.python_name }}, Unset):\n    "
            + _JSON.replace(" }}", " | indent(4) }}")
            + "{% endif %}\n",
        ),
    ],
    "model.py.jinja": [
        # A field that is called like its class would meet the variable that holds the object.
        (_MODULE, f'{_MODULE}{{% if module_name in {_FIELDS} %}}{{% set module_name = "made_" %}}{{% endif %}}\n'),
    ],
    "property_templates/union_property.py.jinja": [
        (
            "{% macro construct(property, source) %}\n",
            (_HERE / "union_macros.jinja").read_text("utf-8") + "{% macro construct(property, source) %}\n",
        ),
        (_CHECK, f"condition(property, inner_property, {_CHECK})"),
        (_WRITE, f"write_branch(property, inner_property, source, destination, {_WRITE})"),
    ],
}
# Names in generated classes that a field would replace.
_MEMBERS = {"to_dict", "from_dict", "to_multipart", "additional_properties", "additional_keys"}
_VARIABLES = {"d", "cls", "src_dict", "field_dict", "prop", "prop_name", "prop_dict", "cast"}


class GenerationError(Exception):
    """Code generation failed. The message names the reason and the remedy."""


def write_templates(folder: Path) -> Path:
    """Write the templates that change to a folder, which is made, and return it. Raises ``GenerationError``."""
    for name, changes in CHANGES.items():
        text = (files("openapi_python_client") / "templates" / name).read_text("utf-8")
        for old, new in changes:
            if old not in text:
                raise GenerationError(f"{name} of the generator has changed: revise codegen/{Path(__file__).name}")
            text = text.replace(old, new)
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def reserve_names() -> None:
    """Make the generator write an underscore after fields that are called like parts of its classes."""
    from openapi_python_client import strings  # noqa: PLC0415 - it takes a second

    strings.RESERVED_WORDS.update(_MEMBERS | _VARIABLES)
