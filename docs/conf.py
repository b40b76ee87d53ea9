"""Settings of the documentation site, which `make docs` builds from the Markdown files of this checkout.

The source folder is the root of the checkout, so that one relative link serves both the site and a file browser.
"""

from __future__ import annotations

import pkgutil
import re
import typing
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sphinx.ext.napoleon import Config
from sphinx.ext.napoleon.docstring import GoogleDocstring

from kkiai_sdk import __version__

if TYPE_CHECKING:
    from sphinx.application import Sphinx

project = "kkiai-sdk"
release = version = __version__
copyright = author = "the authors of kkiai-sdk"  # noqa: A001 (Sphinx's name)

extensions = ["myst_parser", "sphinx.ext.autodoc"]
root_doc = "docs/index"
include_patterns = [
    "docs/**",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "benchmarks/*.md",
    "tests/*.md",
]
# Folders that hold no page are not searched.
exclude_patterns = [
    ".*",
    "build",
    "dist",
    "generated",
    "kkiai_sdk",
    "mutants",
    "tests/[!fs]*",
    "benchmarks/remarks.md",
]
nitpicky = True
# What the standard library, attrs and httpx document is not linked: the build uses no network.
nitpick_ignore_regex = [
    (
        "py:.*",
        r"(asyncio|collections|datetime|enum|httpx|http|os|pathlib|ssl|typing|types|errors|client|attrs?)\.?.*",
    ),
    (
        "py:.*",
        r"(Type|Timeout|Value|Attribute|Key)Error|timedelta|Future|StrEnum|Callable\[\[.*|Iterator|AsyncIterator|Path",
    ),
    # Types of attributes that are no part of the public names.
    ("py:.*", r"kkiai_api\..*\.T|kkiai_sdk\._config\.Options|Exchange|Rule|AnyStep"),
]

myst_heading_anchors = 4
myst_enable_extensions = ["colon_fence"]

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_default_options = {"members": True}
python_use_unqualified_type_names = True
# One parameter per line where the signature is longer than this.
toc_object_entries_show_parents = "hide"
python_maximum_signature_line_length = 88
#: How docstrings with sections (``Args:``) are read. Not by the extension, which takes "Bytes: …" for a type.
SECTIONS: Any = Config(napoleon_use_ivar=True)

html_theme = "furo"
html_title = f"kkiai-sdk {__version__}"
html_static_path = ["site.css"]
html_search_scorer = str(Path(__file__).with_name("search.js"))
html_favicon = "icon.svg"
html_css_files = ["site.css"]
html_show_copyright = html_show_sphinx = html_copy_source = False
html_theme_options = {"navigation_with_keys": True}
# A block without a language is text.
highlight_language = "none"
# Each colour of both stands out from its background by 4.5 : 1 or more.
pygments_style, pygments_dark_style = "default", "monokai"

#: Parts of signatures that are no code, and what is shown for them.
SIGNATURES = {
    ", **unknown: Never": "",
    "NOTHING": "{}",
    "<kkiai_api.types.Unset object>": "UNSET",
    "<built-in function monotonic>": "time.monotonic",
}
#: Sends readers of the site's root to its first page.
REDIRECT = """<!doctype html>
<meta charset="utf-8"><title>kkiai-sdk</title><meta http-equiv="refresh" content="0; url={0}">
"""


def generated_modules() -> list[str]:
    """Return the names of all modules of the generated client that a caller uses."""
    package = import_module("kkiai_api")
    names = [
        module.name
        for module in pkgutil.walk_packages(package.__path__, "kkiai_api.")
        if not module.ispkg
    ]
    operations = sorted(name for name in names if name.startswith("kkiai_api.api."))
    return [
        *operations,
        "kkiai_api.models",
        "kkiai_api.client",
        "kkiai_api.types",
        "kkiai_api.errors",
    ]


def public_modules() -> list[str]:
    """Return the names of the modules of the package that a caller imports by their own name."""
    package = import_module("kkiai_sdk")
    names = [f"kkiai_sdk.{module.name}" for module in pkgutil.iter_modules(package.__path__)]
    found = [import_module(name) for name in names if "._" not in name]
    public = [module for module in found if hasattr(module, "__all__")]
    vars(typing)["TYPE_CHECKING"] = True
    for module in public:
        # Names that are imported on first use are not seen otherwise; their annotations need all imports.
        vars(module).update({name: getattr(module, name) for name in module.__all__})
    vars(typing)["TYPE_CHECKING"] = False
    return [module.__name__ for module in public]


def add_modules(_app: Sphinx, page: str, source: list[str]) -> None:
    """Append the reference of each module to its page, so that a new endpoint or module is there by itself."""
    pages = {"docs/api/generated": generated_modules, "docs/api/modules": public_modules}
    for name in pages[page]() if page in pages else ():
        title = name.removeprefix("kkiai_api.")
        source[0] += f"\n{title}\n{'-' * len(title)}\n\n.. automodule:: {name}\n"
        if name.startswith("kkiai_api."):
            source[0] += "   :undoc-members:\n"
        if name == "kkiai_api.models" or name.startswith("kkiai_sdk."):
            source[0] += "   :imported-members:\n"


def read_docstring(  # noqa: PLR0917 (Sphinx passes them so)
    app: Sphinx, what: Any, name: str, value: object, options: Any, lines: list[str]
) -> None:
    """Convert sections to fields; in generated docstrings also the generator's indentation and code in Markdown."""
    if name.startswith("kkiai_api."):
        lines[:] = [
            re.sub(r"(?<!`)`([^`]+)`(?!`)", r"``\1``", re.sub(r"^ (?=\S)", "", line))
            for line in lines
        ]
    if what in {"class", "function", "method", "exception"}:
        lines[:] = GoogleDocstring(lines, SECTIONS, app, what, name, value, options).lines()


def clean_signature(
    _app: Sphinx,
    _what: str,
    _name: str,
    _value: object,
    _options: Any,
    signature: str | None,
    result: str | None,
) -> tuple[str | None, str | None]:
    """Remove the parameter that only serves to refuse misspelt ones; write defaults as code."""
    for shown, code in SIGNATURES.items():
        signature = signature and signature.replace(shown, code)
    return signature, result


def redirect_root(app: Sphinx, exception: Exception | None) -> None:
    """Write the first page of the site's root."""
    if exception is None:
        Path(app.outdir, "index.html").write_text(REDIRECT.format(f"{root_doc}.html"), "utf-8")


def setup(app: Sphinx) -> None:
    """Connect the functions above."""
    app.connect("source-read", add_modules)
    app.connect("autodoc-process-docstring", read_docstring)
    app.connect("autodoc-process-signature", clean_signature)
    app.connect("build-finished", redirect_root)
