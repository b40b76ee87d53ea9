"""Task responses in the forms that video services document, none of which is the documented one of the gateway."""

from __future__ import annotations

import json
from typing import Any

import pytest

from kkiai_sdk import TaskState
from tests.unit.support import GATEWAY, read

FILE, COVER = "https://files.example/out/9f.mp4?sig=a%2Fb", "https://files.example/out/9f.jpg"
PENDING, RUNNING, SUCCEEDED, FAILED = TaskState.PENDING, TaskState.RUNNING, TaskState.SUCCEEDED, TaskState.FAILED

ENDED: dict[str, Any] = {
    "Runway": {"id": "17f2", "status": "SUCCEEDED", "createdAt": "2026-01-02T03:04:05Z", "output": [FILE]},
    "Luma": {
        "id": "d1",
        "generation_type": "video",
        "state": "completed",
        "assets": {"image": COVER, "video": FILE, "progress_video": "https://files.example/out/steps.mp4"},
        "request": {"prompt": "a cow", "keyframes": {"frame0": {"type": "image", "url": COVER}}},
    },
    "Kling": {
        "code": 0,
        "message": "SUCCEED",
        "request_id": "r-1",
        "data": {
            "task_id": "81",
            "task_status": "succeed",
            "task_status_msg": "",
            "task_info": {"external_task_id": "mine"},
            "task_result": {"videos": [{"id": "v1", "url": FILE, "duration": "5"}]},
        },
    },
    "MiniMax": {
        "task_id": "77",
        "status": "Success",
        "file_id": "20",
        "file": {"file_id": 20, "filename": "output.mp4", "purpose": "video_generation", "download_url": FILE},
        "base_resp": {"status_code": 0, "status_msg": "success"},
    },
    "Vidu": {
        "id": "55",
        "state": "success",
        "err_code": "",
        "credits": 4,
        "creations": [{"id": "1", "url": FILE, "cover_url": COVER, "watermarked_url": "https://files.example/w.mp4"}],
    },
    "Replicate": {
        "id": "p4",
        "status": "succeeded",
        "input": {"start_video": "https://files.example/in.mp4", "prompt": "a cow"},
        "output": FILE,
        "logs": "step 1 of 2",
        "urls": {
            "get": "https://api.example/v1/predictions/p4",
            "cancel": "https://api.example/v1/predictions/p4/cancel",
        },
    },
    "fal": {
        "status": "COMPLETED",
        "request_id": "76",
        "response_url": "https://queue.example/requests/76",
        "status_url": "https://queue.example/requests/76/status",
        "video": {"url": FILE, "content_type": "video/mp4", "file_name": "output.mp4", "file_size": 991},
    },
    "Veo": {
        "name": "projects/x/locations/y/operations/88",
        "done": True,
        "response": {
            "@type": "type.example/PredictLongRunningResponse",
            "raiMediaFilteredCount": 0,
            "videos": [{"uri": FILE, "mimeType": "video/mp4"}],
        },
    },
    "Seedance": {
        "id": "cgt-1",
        "model": "seedance",
        "status": "succeeded",
        "content": {"video_url": FILE, "last_frame_url": COVER},
        "usage": {"completion_tokens": 10, "total_tokens": 10},
    },
    "Wan": {
        "request_id": "c1",
        "output": {"task_id": "cf", "task_status": "SUCCEEDED", "video_url": FILE, "orig_prompt": "a cow"},
        "usage": {"video_count": 1, "video_duration": 5},
    },
    "D-ID": {
        "id": "tlk_1",
        "status": "done",
        "source_url": "https://files.example/in/face.png",
        "audio_url": "https://files.example/in/voice.wav",
        "result_url": FILE,
    },
    "HeyGen": {
        "code": 100,
        "message": "Success",
        "data": {
            "id": "e5",
            "status": "completed",
            "error": None,
            "gif_url": "https://files.example/e5.gif",
            "thumbnail_url": COVER,
            "video_url": FILE,
            "video_url_caption": "https://files.example/e5_caption.mp4",
        },
    },
    "Huawei": {
        "task_id": "40",
        "status": "succeeded",
        "error": {"code": 0, "message": ""},
        "content": {"result_url": FILE},
        "usage": {"model_latency": 3},
    },
    "Baidu": {
        "log_id": "as-1",
        "id": "6a",
        "status": "success",
        "err_code": "",
        "result": {"model": "m", "content": {"video_url": FILE, "last_frame_url": COVER}, "seed": 4},
    },
    "Kie": {
        "code": 200,
        "msg": "success",
        "data": {
            "taskId": "e9",
            "state": "success",
            "param": json.dumps({"callBackUrl": "https://me.example/done", "input": {"image_url": COVER}}),
            "resultJson": json.dumps({"resultUrls": [FILE]}),
            "failCode": "",
            "failMsg": "",
        },
    },
    "Kie, by a flag": {
        "code": 200,
        "msg": "success",
        "data": {"taskId": "e9", "successFlag": 1, "response": {"taskId": "e9", "resultUrls": [FILE]}},
    },
    "Sync": {"id": "0c", "status": "COMPLETED", "model": "lipsync", "outputUrl": FILE, "outputDuration": 4.2},
    "OpenRouter": {
        "id": "job-1",
        "polling_url": "/api/v1/videos/job-1",
        "status": "completed",
        "unsigned_urls": [FILE],
        "usage": {"cost": 0.5},
    },
    "PixVerse": {
        "ErrCode": 0,
        "ErrMsg": "Success",
        "Resp": {"id": 31, "status": 1, "prompt": "a cow", "url": FILE, "size": 998, "outputHeight": 720},
    },
    "Sora at Azure": {
        "object": "video.generation.job",
        "id": "task_01",
        "status": "succeeded",
        "generations": [{"object": "video.generation", "id": "gen_01", "url": FILE}],
        "failure_reason": None,
    },
    "Hedra": {"id": "a1", "asset_id": "b2", "type": "video", "status": "complete", "progress": 1.0, "url": FILE},
    "Higgsfield": {"request_id": "d7", "status": "completed", "video": {"url": FILE}, "images": [{"url": COVER}]},
    "Shotstack": {
        "success": True,
        "message": "OK",
        "response": {
            "id": "2a",
            "status": "done",
            "url": FILE,
            "thumbnail": COVER,
            "data": {"output": {"format": "mp4"}},
        },
    },
}


@pytest.mark.parametrize("vendor", ENDED)
def test_documented_success_is_a_success_with_its_video(vendor: str) -> None:
    """A finished task in the form of a known service is a success with the URL of its video."""
    task = read(ENDED[vendor])
    assert (task.state, task.video_url) == (SUCCEEDED, FILE)
    assert task.video_urls == (FILE,)


AT_WORK: dict[str, tuple[dict[str, Any], TaskState]] = {
    "Runway": ({"id": "17", "status": "THROTTLED", "createdAt": "2026-01-02"}, TaskState.UNKNOWN),
    "Luma": ({"id": "d1", "state": "dreaming", "assets": None}, TaskState.UNKNOWN),
    "Kling": ({"code": 0, "message": "SUCCEED", "data": {"task_id": "81", "task_status": "submitted"}}, PENDING),
    "MiniMax": ({"task_id": "77", "status": "Queueing", "base_resp": {"status_code": 0}}, PENDING),
    "MiniMax, prepared": ({"task_id": "77", "status": "Preparing", "base_resp": {"status_code": 0}}, PENDING),
    "Vidu": ({"id": "5", "state": "processing", "creations": []}, RUNNING),
    "Replicate": ({"id": "p", "status": "starting", "output": None, "urls": {"get": "https://api.example/p"}}, RUNNING),
    "fal": (
        {"status": "IN_QUEUE", "request_id": "7", "response_url": "https://queue.example/7", "queue_position": 0},
        PENDING,
    ),
    "Veo": ({"name": "operations/88", "metadata": {"@type": "x"}}, TaskState.UNKNOWN),
    "Wan": ({"request_id": "c", "output": {"task_id": "c", "task_status": "PENDING"}}, PENDING),
    "D-ID": ({"id": "t", "status": "started", "source_url": "https://files.example/in/face.mp4"}, RUNNING),
    "Sora at Azure": ({"object": "job", "id": "t", "status": "preprocessing", "generations": []}, RUNNING),
    "PixVerse": ({"ErrCode": 0, "ErrMsg": "success", "Resp": {"id": 31, "status": 5, "url": ""}}, TaskState.UNKNOWN),
    "Shotstack": ({"success": True, "response": {"id": "2", "status": "rendering"}}, RUNNING),
    "OpenRouter": ({"id": "j", "polling_url": "https://api.example/videos/j", "status": "pending"}, PENDING),
}


@pytest.mark.parametrize("vendor", AT_WORK)
def test_documented_task_at_work_is_no_end(vendor: str) -> None:
    """A task at work in the form of a known service is no end, and no address of an API is its video."""
    body, state = AT_WORK[vendor]
    task = read(body)
    assert (task.state, task.video_url) == (state, None)


REFUSED: dict[str, tuple[dict[str, Any], str, str | None]] = {
    "Runway": (
        {"id": "1", "status": "FAILED", "failure": "input not allowed", "failureCode": "SAFETY.INPUT.TEXT"},
        "input not allowed",
        "SAFETY.INPUT.TEXT",
    ),
    "Luma": ({"id": "d", "state": "failed", "failure_reason": "moderated", "assets": None}, "moderated", None),
    "Kling": (
        {
            "code": 0,
            "message": "SUCCEED",
            "data": {"task_id": "8", "task_status": "failed", "task_status_msg": "risk control"},
        },
        "risk control",
        None,
    ),
    "MiniMax": (
        {"task_id": "7", "status": "Fail", "base_resp": {"status_code": 1026, "status_msg": "sensitive words"}},
        "sensitive words",
        None,
    ),
    "Vidu": (
        {"id": "5", "state": "failed", "err_code": "AuditSubmitIllegal", "creations": []},
        "the gateway gave no reason (status 'failed')",
        "AuditSubmitIllegal",
    ),
    "Veo": (
        {"name": "operations/8", "done": True, "error": {"code": 3, "message": "violates the policy"}},
        "violates the policy",
        "3",
    ),
    "Wan": (
        {
            "request_id": "c",
            "output": {"task_id": "c", "task_status": "FAILED", "code": "DataInspection", "message": "no"},
        },
        "no",
        "DataInspection",
    ),
    "Kie": (
        {
            "code": 200,
            "msg": "success",
            "data": {"taskId": "e", "state": "fail", "failCode": "501", "failMsg": "no luck"},
        },
        "no luck",
        "501",
    ),
    "HeyGen": (
        {"code": 100, "data": {"id": "e", "status": "failed", "error": {"code": 40119, "detail": "too long"}}},
        "too long",
        "40119",
    ),
}


@pytest.mark.parametrize("vendor", REFUSED)
def test_documented_failure_is_a_failure_with_its_reason(vendor: str) -> None:
    """A failed task in the form of a known service is a failure with the service's reason and code."""
    body, message, code = REFUSED[vendor]
    failure = read(body).failure
    assert failure is not None
    assert (failure.message, failure.code) == (message, code)


@pytest.mark.parametrize(
    ("body", "url"),
    [
        ({"id": "x", "status": "SUCCESS", "fail_reason": FILE}, FILE),
        ({"id": "x", "status": "SUCCESS", "fail_reason": COVER}, None),
        ({"id": "x", "status": "SUCCESS", "fail_reason": "a slow worker"}, None),
        ({"id": "x", "status": "SUCCESS", "url": COVER, "result": {"clip": FILE}}, FILE),
        ({"id": "x", "status": "SUCCESS", "url": COVER, "fail_reason": FILE}, COVER),
    ],
    ids=["reason", "picture as reason", "words", "cover", "cover alone"],
)
def test_video_in_an_unlikely_place_is_found(body: dict[str, Any], url: str | None) -> None:
    """A success has its URL in the place of a reason, or alongside a picture in the place of the URL."""
    assert read(body).video_url == url


def test_several_videos_are_all_read_in_order() -> None:
    """Of several videos the first is the video, and all are listed without repetition."""
    urls = [f"{GATEWAY}/files/{number}.mp4" for number in range(3)]
    body = {
        "id": "x",
        "status": "completed",
        "video_url": urls[0],
        "videos": [{"url": url} for url in [*urls, urls[1]]],
    }
    assert read(body).video_urls == tuple(urls)
