"""The error tree: its shape, and that every error is plain data that survives pickling and copying."""

from __future__ import annotations

import copy
import inspect
import pickle
import re
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

import kkiai_sdk
from kkiai_sdk import (
    APIConnectionError,
    APIError,
    APIResponseError,
    APIStatusError,
    APITimeoutError,
    Attempt,
    AuthenticationError,
    BadRequestError,
    ConfigurationError,
    ConflictError,
    DownloadError,
    FleetClosedError,
    IncompleteDownloadError,
    KkiaiError,
    NotAVideoError,
    NotFoundError,
    PermissionDeniedError,
    QuotaExceededError,
    RateLimitError,
    ServerError,
    TargetExistsError,
    TaskError,
    TaskFailedError,
    TaskFailure,
    TaskNotFoundError,
    TaskState,
    TaskTimeoutError,
    UnprocessableEntityError,
    UnsafeURLError,
    VideoMissingError,
    VideoTask,
    errors,
)
from kkiai_sdk._responses.error_parser import STATUS_ERRORS

if TYPE_CHECKING:
    from collections.abc import Callable


def _pickled(protocol: int, error: object) -> object:
    return pickle.loads(pickle.dumps(error, protocol))


#: Every class with all of its parents.
TREE: dict[type[KkiaiError], tuple[type[BaseException], ...]] = {
    KkiaiError: (Exception,),
    ConfigurationError: (KkiaiError, ValueError),
    APIError: (KkiaiError,),
    APIConnectionError: (APIError,),
    APITimeoutError: (APIConnectionError, TimeoutError),
    APIResponseError: (APIError,),
    APIStatusError: (APIError,),
    BadRequestError: (APIStatusError,),
    AuthenticationError: (APIStatusError,),
    QuotaExceededError: (APIStatusError,),
    PermissionDeniedError: (APIStatusError,),
    NotFoundError: (APIStatusError,),
    TaskNotFoundError: (NotFoundError,),
    ConflictError: (APIStatusError,),
    UnprocessableEntityError: (APIStatusError,),
    RateLimitError: (APIStatusError,),
    ServerError: (APIStatusError,),
    TaskError: (KkiaiError,),
    TaskFailedError: (TaskError,),
    TaskTimeoutError: (TaskError, TimeoutError),
    VideoMissingError: (TaskError,),
    FleetClosedError: (KkiaiError,),
    DownloadError: (KkiaiError,),
    UnsafeURLError: (DownloadError,),
    IncompleteDownloadError: (DownloadError,),
    NotAVideoError: (DownloadError,),
    TargetExistsError: (DownloadError,),
}
CLASSES = [value for value in vars(errors).values() if inspect.isclass(value) and issubclass(value, Exception)]
TASK = VideoTask(id="x", state=TaskState.FAILED, failure=TaskFailure("no cows"), raw={"a": [1, None]})

API_FACTS: dict[str, Any] = {
    "request_id": "r-1",
    "transient": True,
    "retry_after": 7.5,
    "attempts": (Attempt(503, "busy", 0.5), Attempt(None, "reset", 0.0)),
}
STATUS_FACTS = {"status_code": 418, "code": "c", "type": "t", "body": {"a": [1, None]}, **API_FACTS}
DOWNLOAD_FACTS = {"url": "https://cdn.example/a", "path": "videos/a.mp4", "errno": 28}
#: What each branch of the tree takes, the most special first.
FACTS: list[tuple[type[KkiaiError], dict[str, Any]]] = [
    (APIConnectionError, {"kind": "reset", **API_FACTS}),
    (APIResponseError, {"status_code": 202, "code": "c", "body_snippet": "<html>", "is_too_large": True, **API_FACTS}),
    (APIStatusError, STATUS_FACTS),
    (APIError, API_FACTS),
    (TaskError, {"task_id": "x", "task": TASK, "elapsed": 9.25, "polls": 3}),
    (IncompleteDownloadError, {"received": 5, "expected": 9, **DOWNLOAD_FACTS}),
    (DownloadError, DOWNLOAD_FACTS),
    (KkiaiError, {}),
]
SURVIVALS: dict[str, Callable[[Any], Any]] = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    **{f"pickle {number}": partial(_pickled, number) for number in range(pickle.HIGHEST_PROTOCOL + 1)},
}


def arguments_of(kind: type[KkiaiError]) -> dict[str, Any]:
    """A value for every keyword argument of an error class."""
    return next(facts for branch, facts in FACTS if issubclass(kind, branch))


@pytest.mark.parametrize("kind", TREE)
def test_each_error_class_has_its_documented_parents(kind: type[KkiaiError]) -> None:
    """Each class has exactly the documented parents, so `except` catches what it promises."""
    assert kind.__bases__ == TREE[kind]


def test_every_class_is_in_the_tree_and_public() -> None:
    """No error class is missing from this table or from the public names."""
    assert set(CLASSES) == set(TREE)
    assert all(getattr(kkiai_sdk, kind.__name__) is kind for kind in CLASSES)


def _tree_lines() -> list[tuple[int, str, list[str]]]:
    """Lines of the tree in the docstring: depth, class, further parents from Python."""
    pattern = re.compile(r"^ {4}([│├└─ ]*)(\w+Error)(?: \(([^)]*)\))?", re.MULTILINE)
    found = pattern.findall(errors.__doc__ or "")
    return [(len(indent) // 3, name, re.findall(r"\w+Error", notes)) for indent, name, notes in found]


def test_tree_in_the_docstring_equals_the_classes() -> None:
    """The tree in the module's docstring shows every class under its parent, and Python's own parents alongside it."""
    path: list[str] = []
    drawn = {}
    for depth, name, others in _tree_lines():
        path[depth:] = [name]
        drawn[name] = [*(path[depth - 1 : depth] if depth else ["Exception"]), *others]
    assert drawn == {kind.__name__: [parent.__name__ for parent in kind.__bases__] for kind in CLASSES}


def test_statuses_in_the_docstring_equal_the_table() -> None:
    """The docstring names the status of each class that stands for one, as the table of statuses has it."""
    drawn = dict(re.findall(r"(\w+Error) \((\d{3})", errors.__doc__ or ""))
    assert drawn == {kind.__name__: str(status) for status, kind in STATUS_ERRORS.items()}


@pytest.mark.parametrize("how", SURVIVALS)
@pytest.mark.parametrize("kind", TREE)
@pytest.mark.fault("C-13")
def test_errors_survive_pickling_and_copying(kind: type[KkiaiError], how: str) -> None:
    """Pickling and copying keep the class, the text, every attribute and the notes."""
    error = kind("it went wrong", **arguments_of(kind))
    error.add_note("note")
    twin = SURVIVALS[how](error)
    assert type(twin) is kind
    assert (str(twin), twin.message, twin.args) == ("it went wrong", "it went wrong", ("it went wrong",))
    assert vars(twin) == vars(error)
    assert repr(twin) == repr(error)


def test_nested_error_survives_pickling_and_copying() -> None:
    """The last error of a wait is kept by pickling and copying."""
    last = APITimeoutError("no answer", kind="timeout", **API_FACTS)
    twin = pickle.loads(pickle.dumps(TaskTimeoutError("gave up", task_id="x", last_error=last)))
    assert (type(twin.last_error), vars(twin.last_error)) == (APITimeoutError, vars(last))


@pytest.mark.parametrize("kind", TREE)
def test_keyword_arguments_become_attributes(kind: type[KkiaiError]) -> None:
    """Every keyword argument of an error class is readable as an attribute."""
    facts = arguments_of(kind)
    error = kind("m", **facts)
    assert {name: getattr(error, name) for name in facts} == facts


def test_keyword_arguments_of_errors_have_defaults() -> None:
    """Without keyword arguments an error has neutral defaults."""
    assert vars(APIConnectionError("m")) == {
        "kind": "connection",
        "request_id": None,
        "transient": False,
        "retry_after": None,
        "attempts": (),
    }
    assert vars(IncompleteDownloadError("m")) == {
        "url": None,
        "path": None,
        "errno": None,
        "received": 0,
        "expected": None,
    }
    assert (APIResponseError("m").status_code, APIResponseError("m").body_snippet) == (200, "")
    assert vars(TaskError("m", task_id="x")) == {
        "task_id": "x",
        "task": None,
        "elapsed": 0.0,
        "polls": 0,
        "last_error": None,
    }


def test_task_failed_error_has_the_failure() -> None:
    """The reason of a failure is on the error; without a snapshot there is none."""
    assert TaskFailedError("m", task_id="x", task=TASK).failure == TaskFailure("no cows")
    assert TaskFailedError("m", task_id="x").failure is None


def test_error_without_text_has_the_empty_text() -> None:
    """An error that was made without a text has the empty one."""
    assert (KkiaiError().message, str(KkiaiError())) == ("", "")


def test_unknown_keyword_of_an_error_is_rejected() -> None:
    """A class accepts only its own keyword arguments: a misspelt one would be lost."""
    with pytest.raises(TypeError, match="retry_afer"):
        APIConnectionError("m", retry_afer=5)


def test_both_timeout_errors_are_timeout_errors() -> None:
    """`except TimeoutError` catches both timeout errors, and no other error of the SDK."""
    caught = {kind for kind in CLASSES if issubclass(kind, TimeoutError)}
    assert caught == {APITimeoutError, TaskTimeoutError}
