"""A mock gateway on this machine: scripted tasks, faults and a real sample video.

::

    from kkiai_sdk.mock import MockGateway

    with MockGateway(speed=100) as gateway, gateway.client() as client:
        task = client.wait("grok:scenario-late-url")
"""

from kkiai_sdk.mock.catalog import scenarios, script_of
from kkiai_sdk.mock.gateway import MockGateway
from kkiai_sdk.mock.messages import ReceivedRequest, Reply
from kkiai_sdk.mock.tasks import Phase, TaskQuery
from kkiai_sdk.mock.wire_faults import faults

__all__ = ["MockGateway", "Phase", "ReceivedRequest", "Reply", "TaskQuery", "faults", "scenarios", "script_of"]
