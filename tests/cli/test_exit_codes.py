"""Exit codes of SDK errors, and of commands with several outcomes."""

from __future__ import annotations

from itertools import pairwise

import pytest

import kkiai_sdk as sdk
from kkiai_sdk.cli.exit_codes import SEVERITY_ORDER, ExitCode, exit_code_of, most_serious

ERRORS = [
    (sdk.KkiaiError("x"), 5),
    (sdk.ConfigurationError("x"), 2),
    (sdk.APIError("x"), 5),
    (sdk.APIConnectionError("x"), 5),
    (sdk.APITimeoutError("x"), 5),
    (sdk.APIResponseError("x"), 5),
    (sdk.APIStatusError("x", status_code=418), 5),
    (sdk.BadRequestError("x", status_code=400), 5),
    (sdk.AuthenticationError("x", status_code=401), 4),
    (sdk.QuotaExceededError("x", status_code=429), 4),
    (sdk.PermissionDeniedError("x", status_code=403), 4),
    (sdk.NotFoundError("x", status_code=404), 5),
    (sdk.TaskNotFoundError("x", status_code=404), 5),
    (sdk.ConflictError("x", status_code=409), 5),
    (sdk.UnprocessableEntityError("x", status_code=422), 5),
    (sdk.RateLimitError("x", status_code=429), 5),
    (sdk.ServerError("x", status_code=500), 5),
    (sdk.TaskError("x", task_id="t"), 5),
    (sdk.TaskFailedError("x", task_id="t"), 1),
    (sdk.TaskTimeoutError("x", task_id="t"), 3),
    (sdk.VideoMissingError("x", task_id="t"), 5),
    (sdk.FleetClosedError("x"), 5),
    (sdk.DownloadError("x"), 6),
    (sdk.UnsafeURLError("x"), 6),
    (sdk.IncompleteDownloadError("x"), 6),
    (sdk.NotAVideoError("x"), 6),
    (sdk.TargetExistsError("x"), 6),
]


@pytest.mark.parametrize(("error", "code"), ERRORS, ids=lambda value: type(value).__name__)
def test_error_class_leads_to_its_exit_code(error: sdk.KkiaiError, code: int) -> None:
    """Each class of error leads to the documented exit code."""
    assert exit_code_of(error) == code


def test_table_above_covers_every_public_error() -> None:
    """No public class of error is missing in the table of this file."""
    public = {value for name in sdk.__all__ if isinstance(value := getattr(sdk, name), type)}
    assert {kind for kind in public if issubclass(kind, sdk.KkiaiError)} == {type(error) for error, _ in ERRORS}


def test_no_error_and_no_outcome_lead_to_success() -> None:
    """Without an error, and without any outcome, the exit code is 0."""
    assert exit_code_of(None) == most_serious() == most_serious(ExitCode.SUCCESS) == 0


@pytest.mark.parametrize(("more", "less"), list(pairwise(map(ExitCode, SEVERITY_ORDER))))
def test_more_serious_of_two_outcomes_decides(more: ExitCode, less: ExitCode) -> None:
    """The outcome that stands first in the documented order decides, whichever came first."""
    assert most_serious(less, more, less) == most_serious(more, less) == more
