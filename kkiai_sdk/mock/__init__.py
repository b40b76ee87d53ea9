"""A stand-in for the gateway, on this machine: scripted tasks, faults and a real sample video.

::

    from kkiai_sdk import Kkiai
    from kkiai_sdk.mock import MockGateway

    with MockGateway(speed=100) as gateway, Kkiai(gateway.api_key, base_url=gateway.base_url) as client:
        task = client.wait("grok:scenario-late-url")

Needs the extra ``mock`` (Starlette and uvicorn); without it, importing this package raises ``ConfigurationError``.
"""

from __future__ import annotations

from kkiai_sdk import ConfigurationError

try:
    from kkiai_sdk.mock._server import MockGateway
except ModuleNotFoundError as error:
    if (error.name or "").partition(".")[0] not in {"starlette", "uvicorn", "h11"}:
        raise
    raise ConfigurationError(
        f'the mock gateway needs {error.name}, which is not installed: pip install "kkiai-sdk[mock]"'
    ) from error

from kkiai_sdk.mock._faults import faults
from kkiai_sdk.mock._messages import ReceivedRequest
from kkiai_sdk.mock._scenarios import scenarios

__all__ = ["MockGateway", "ReceivedRequest", "faults", "scenarios"]
