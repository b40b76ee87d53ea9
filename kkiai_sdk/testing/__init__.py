"""A pytest kit: a mock gateway on fake time, with fixtures, a marker and scripts of a user's own.

The plugin is loaded by pytest when the package is installed, and imports nothing else before a fixture is used.
``Gateway`` works without pytest, too::

    from kkiai_sdk.testing import Gateway, assert_all_downloaded

    tasks = {"grok:a": ["pending", 503, "completed"]}
    with Gateway(tasks=tasks) as gateway, gateway.client() as client:
        client.wait_and_download("grok:a", "a.mp4")
        assert_all_downloaded(gateway, ["a.mp4"])
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kkiai_sdk.testing.gateway import Gateway, assert_all_downloaded
    from kkiai_sdk.testing.recordings import record
    from kkiai_sdk.testing.steps import Step

__all__ = ["Gateway", "Step", "assert_all_downloaded", "record"]

_MODULES = {"Step": "steps", "record": "recordings"}


def __getattr__(name: str) -> object:
    """Import a public name on first use (PEP 562): the plugin must not cost a test run anything."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"kkiai_sdk.testing.{_MODULES.get(name, 'gateway')}"), name)
