from http import HTTPStatus
from typing import Any, cast
from urllib.parse import quote

import httpx

from ... import errors
from ...client import AuthenticatedClient, Client
from ...models.error_response import ErrorResponse
from ...models.video_task import VideoTask
from ...types import UNSET, Response, Unset


def _get_kwargs(
    *,
    id: str,
    x_forwarded_host: str | Unset = UNSET,
) -> dict[str, Any]:
    headers: dict[str, Any] = {}
    if not isinstance(x_forwarded_host, Unset):
        headers["X-Forwarded-Host"] = x_forwarded_host

    params: dict[str, Any] = {}

    params["id"] = id

    params = {k: v for k, v in params.items() if v is not UNSET and v is not None}

    _kwargs: dict[str, Any] = {
        "method": "get",
        "url": "/v1/video/query",
        "params": params,
    }

    headers["Accept"] = "application/json"
    _kwargs["headers"] = headers
    return _kwargs


def _parse_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> ErrorResponse | VideoTask | None:
    if response.status_code == 200:
        response_200 = VideoTask.from_dict(response.json())

        return response_200

    if response.status_code == 400:
        response_400 = ErrorResponse.from_dict(response.json())

        return response_400

    if response.status_code == 401:
        response_401 = ErrorResponse.from_dict(response.json())

        return response_401

    if response.status_code == 402:
        response_402 = ErrorResponse.from_dict(response.json())

        return response_402

    if response.status_code == 403:
        response_403 = ErrorResponse.from_dict(response.json())

        return response_403

    if response.status_code == 404:
        response_404 = ErrorResponse.from_dict(response.json())

        return response_404

    if response.status_code == 429:
        response_429 = ErrorResponse.from_dict(response.json())

        return response_429

    if 500 <= response.status_code <= 599:
        response_5xx = ErrorResponse.from_dict(response.json())

        return response_5xx

    if client.raise_on_unexpected_status:
        raise errors.UnexpectedStatus(response.status_code, response.content)
    else:
        return None


def _build_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> Response[ErrorResponse | VideoTask]:
    return Response(
        status_code=HTTPStatus(response.status_code),
        content=response.content,
        headers=response.headers,
        parsed=_parse_response(client=client, response=response),
    )


def sync_detailed(
    *,
    client: AuthenticatedClient,
    id: str,
    x_forwarded_host: str | Unset = UNSET,
) -> Response[ErrorResponse | VideoTask]:
    """Query Task

    Returns the current state of a video task. The query of a failed task is still a success: it returns
    200.

    Send `Accept: application/json`, `Content-Type: application/json` and `Authorization: Bearer <key>`.

    Args:
        id (str): The complete id returned when the task was created, including any prefix such as
            `grok:`. Example: grok:eee6faa8-9dee-455c-aa82-02ac623adf3a.
        x_forwarded_host (str | Unset): The host that the request was originally sent to, if a
            proxy forwards it. Example: localhost:5173.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[ErrorResponse | VideoTask]
    """

    kwargs = _get_kwargs(
        id=id,
        x_forwarded_host=x_forwarded_host,
    )

    response = client.get_httpx_client().request(
        **kwargs,
    )

    return _build_response(client=client, response=response)


def sync(
    *,
    client: AuthenticatedClient,
    id: str,
    x_forwarded_host: str | Unset = UNSET,
) -> ErrorResponse | VideoTask | None:
    """Query Task

    Returns the current state of a video task. The query of a failed task is still a success: it returns
    200.

    Send `Accept: application/json`, `Content-Type: application/json` and `Authorization: Bearer <key>`.

    Args:
        id (str): The complete id returned when the task was created, including any prefix such as
            `grok:`. Example: grok:eee6faa8-9dee-455c-aa82-02ac623adf3a.
        x_forwarded_host (str | Unset): The host that the request was originally sent to, if a
            proxy forwards it. Example: localhost:5173.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        ErrorResponse | VideoTask
    """

    return sync_detailed(
        client=client,
        id=id,
        x_forwarded_host=x_forwarded_host,
    ).parsed


async def asyncio_detailed(
    *,
    client: AuthenticatedClient,
    id: str,
    x_forwarded_host: str | Unset = UNSET,
) -> Response[ErrorResponse | VideoTask]:
    """Query Task

    Returns the current state of a video task. The query of a failed task is still a success: it returns
    200.

    Send `Accept: application/json`, `Content-Type: application/json` and `Authorization: Bearer <key>`.

    Args:
        id (str): The complete id returned when the task was created, including any prefix such as
            `grok:`. Example: grok:eee6faa8-9dee-455c-aa82-02ac623adf3a.
        x_forwarded_host (str | Unset): The host that the request was originally sent to, if a
            proxy forwards it. Example: localhost:5173.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[ErrorResponse | VideoTask]
    """

    kwargs = _get_kwargs(
        id=id,
        x_forwarded_host=x_forwarded_host,
    )

    response = await client.get_async_httpx_client().request(**kwargs)

    return _build_response(client=client, response=response)


async def asyncio(
    *,
    client: AuthenticatedClient,
    id: str,
    x_forwarded_host: str | Unset = UNSET,
) -> ErrorResponse | VideoTask | None:
    """Query Task

    Returns the current state of a video task. The query of a failed task is still a success: it returns
    200.

    Send `Accept: application/json`, `Content-Type: application/json` and `Authorization: Bearer <key>`.

    Args:
        id (str): The complete id returned when the task was created, including any prefix such as
            `grok:`. Example: grok:eee6faa8-9dee-455c-aa82-02ac623adf3a.
        x_forwarded_host (str | Unset): The host that the request was originally sent to, if a
            proxy forwards it. Example: localhost:5173.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        ErrorResponse | VideoTask
    """

    return (
        await asyncio_detailed(
            client=client,
            id=id,
            x_forwarded_host=x_forwarded_host,
        )
    ).parsed
