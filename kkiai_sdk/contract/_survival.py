"""Whether this SDK survives an answer: the answer is played to it, and what it makes of it is told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kkiai_sdk import KkiaiError

if TYPE_CHECKING:
    import httpx

    from kkiai_sdk.contract._messages import Response
    from kkiai_sdk.contract._seen import Exchange

#: Nothing is sent there: a transport of ours answers.
_NOWHERE = "https://gateway.example.com"
#: Fields about the bytes on the wire; what is played has been unpacked.
_FRAMING = frozenset({"content-encoding", "content-length", "transfer-encoding", "connection"})


def survival(exchange: Exchange) -> tuple[bool, str]:
    """Whether the SDK stays within what it promises, a task or a KkiaiError, and which it was."""
    if exchange.request.method != "GET":
        return True, "is not concerned: it only sends GET"
    from kkiai_sdk import Kkiai  # noqa: PLC0415 (brings in the HTTP library)

    try:
        with Kkiai("sk-replay", base_url=_NOWHERE, max_retries=0, httpx_args=_playing(exchange.response)) as client:
            task = client.query("grok:replayed")
    except KkiaiError as error:
        return True, f"raises {type(error).__name__}"
    except Exception as error:  # noqa: BLE001 (whatever else comes out is what is looked for)
        return False, f"breaks with {type(error).__name__}"
    return True, f"reads a task that is {task.state}"


def _playing(response: Response) -> dict[str, Any]:
    """The options that make a client get this answer to whatever it sends."""
    import httpx  # noqa: PLC0415 (the check can be imported without it)

    def play(request: httpx.Request) -> httpx.Response:
        if response.status == 0:
            raise httpx.RemoteProtocolError("no whole answer", request=request)
        headers = [(name.encode(), value.encode()) for name, value in response.headers if name.lower() not in _FRAMING]
        return httpx.Response(response.status, headers=headers, content=response.body, request=request)

    return {"transport": httpx.MockTransport(play), "trust_env": False}
