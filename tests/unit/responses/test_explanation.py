"""The explanation of a task: where each field was found and by which rule."""

from __future__ import annotations

import json
import pickle

from kkiai_sdk import VideoTask
from tests.unit.support import ASKED, read

URL = "https://user:pw@files.example/a.mp4?sig=s3cret"


def test_explanation_names_places_and_rules() -> None:
    """Each field is named with its place and its rule, also inside envelopes and texts."""
    inner = {"state": "finished", "videos": [{"url": URL}, {"link": "https://files.example/b.mp4"}], "progress": "100%"}
    task = read({"code": 0, "data": {"task_id": "7f3c", "result": json.dumps(inner)}})
    assert task.explain().splitlines() == [
        f"task {ASKED}: succeeded",
        "state: succeeded at data.result.state, the stem of a status word: finished",
        "video: https://***@files.example/a.mp4 at data.result.videos[0].url, a search by names",
        "video: https://files.example/b.mp4 at data.result.videos[1].link, a search by names",
        "answered_id: at data.task_id",
        "progress: at data.result.progress",
        "layers: the response, at data, at data.result",
        "response: {code: int, data: {task_id: text, result: {state: text, videos: [{…} × 2], progress: text}}}",
    ]


def test_explanation_of_a_failure_names_its_reason() -> None:
    """A failure is explained with its reason, or with the lack of one."""
    lines = read({"id": "t", "status": "failed", "failure_reason": "no cows", "more": None}).explain().splitlines()
    assert "failure: no cows at failure_reason" in lines
    assert "response: {id: text, status: text, failure_reason: text, more: null}" in lines
    lines = read({"id": "t", "status": "failed"}).explain().splitlines()
    assert "failure: the gateway gave no reason (status 'failed')" in lines


def test_explanation_without_a_status() -> None:
    """A missing status is named as such, and so is the rule that takes a video for a success."""
    assert "state: unknown nowhere, no status" in read({"id": "t", "list": []}).explain()
    assert "state: succeeded at video_url, no readable status, and a video" in read({"video_url": URL}).explain()


def test_explanation_holds_no_key_and_no_signature() -> None:
    """Keys are redacted wherever they stand, signatures are cut, and prompts are not shown."""
    body = {
        "status": "done",
        "sk-abcdef123": {"video_url": URL},
        "enhanced_prompt": "a secret cow",
        "id": "sk-abcdef123",
    }
    text = read(body).explain()
    assert "sk-abcdef123" not in text
    assert "s3cret" not in text
    assert "cow" not in text


def test_explanation_needs_the_response() -> None:
    """A task without its response says so; a copied one explains itself as before."""
    assert VideoTask(id="t").explain() == "task t: unknown\nthe response was not kept"
    task = read({"id": "t", "status": "done", "video_url": URL})
    assert pickle.loads(pickle.dumps(task)).explain() == task.explain()
    assert VideoTask.from_dict(task.to_dict()).explain() == task.explain()


def test_explanation_of_a_field_of_another_type() -> None:
    """A field that holds an object or a list is explained like any other."""
    task = read({"id": {"cow": 1}, "status": "running", "enhanced_prompt": ["moo"]})
    assert "answered_id: at id" in task.explain().splitlines()
