"""A pytest plugin: a mock gateway with fake time, fixtures, a marker and custom scripts.

pytest loads the plugin if the package is installed. It imports nothing else before a fixture is used. ``Gateway`` also
works without pytest::

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
    """Import a public name on first use (PEP 562), so that the plugin does not slow down test runs."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"kkiai_sdk.testing.{_MODULES.get(name, 'gateway')}"), name)
