"""The meaning of status words that are in no table."""

from __future__ import annotations

import pytest

from kkiai_sdk import TaskState
from kkiai_sdk._responses.status_words import STATES, is_readable, rule_of, state_of

WORDS = {
    TaskState.SUCCEEDED: """
        complete Completed! COMPLETE successful succeed TASK_STATUS_SUCCEED finished Finish all_done
        videoReady completed_100 succeeded_with_warnings completed_ok success_all 成功 已完成 生成成功 处理完成 任务完成
        处理完毕 已就绪 视频生成成功 MEDIA_GENERATION_STATUS_SUCCESSFUL
    """,
    TaskState.FAILED: """
        fail TaskFailed failed_permanently errored internal_error canceled_by_admin cancel expires
        rejected_by_provider blocked content_moderated timeout timed_out time-out TimedOut aborted 失败 生成失败
        已取消 已过期 超时 failed_due_to_policy 视频生成失败 MEDIA_GENERATION_STATUS_FAILED
    """,
    TaskState.PENDING: """
        queue Queueing in_queue awaiting waiting_for_slot created scheduled preparing not_started 排队中 等待中
        待处理 已提交 未开始 尚未开始
    """,
    TaskState.RUNNING: """
        process preprocessing inProgress generation rendering started executing working encoding 生成中 处理中 进行中
        正在生成
    """,
    TaskState.UNKNOWN: """
        not_ready unsuccessful incomplete unfinished undone never_finished no_error without_failures
        completed_with_failure success_or_error generation_completed failed_over cancelling completing
        finishing rejecting aborting almost_done partially_completed partial_success preview_ready
        image_completed step_done 3_of_4_done cancel_requested retrying_failed recovered_error
        worker_ready gpu_ready inputs_ready setup_complete auth_success keyframes_done stage1_completed
        expires_soon erroring errorless cancellable blocker_resolved blockchain_sync 扣费成功 首帧完成 完成度50%
        submit_success paused unknown moderation in_moderation warming-up to_be_completed 未完成 没有失败 不成功
        提交成功 创建成功 取消中 部分完成 即将完成 错误重试 ready_to_start ready_for_review done_uploading
        completed_except_audio complete_pending_review failed_temporarily failing_over step_failed 未就绪 上传完成
        media_generation_status_unknown upload_status_failed
        success_is_no_word_when_it_is_far_longer_than_any_word_of_a_gateway
    """,
}
CASES = [(word, state) for state, words in WORDS.items() for word in words.split()]


@pytest.mark.fault("J-20")
@pytest.mark.parametrize(("word", "state"), CASES, ids=[word for word, _ in CASES])
def test_unknown_word_is_judged_by_its_stems(word: str, state: TaskState) -> None:
    """A word that is in no table has the meaning of its stems, if they agree and nothing restricts them."""
    assert state_of(word, has_url=False) is state
    assert state_of(f" {word.upper() if word.isascii() and '_' in word else word} ", has_url=True) is state


@pytest.mark.parametrize(
    "word",
    [
        "generated",
        "processed",
        "rendered",
        "video_generated",
        "has_been_uploaded",
        "finalized",
        "ended",
        "已生成",
        "已结束",
        "结束",
    ],
)
def test_word_for_a_step_that_is_over_is_a_success_with_a_url_only(word: str) -> None:
    """A participle is a success if there is a URL; without one it may be any step, and is no end."""
    assert state_of(word, has_url=True) is TaskState.SUCCEEDED
    assert state_of(word, has_url=False) is TaskState.UNKNOWN


@pytest.mark.parametrize("word", ["not_generated", "image_generated", "generated_50_percent", "未生成"])
def test_restricted_word_for_a_step_that_is_over_is_no_success(word: str) -> None:
    """A participle alongside a negation or a word for another thing is no end, URL or not."""
    assert state_of(word, has_url=True) not in {TaskState.SUCCEEDED, TaskState.FAILED}


@pytest.mark.parametrize("word", STATES)
def test_table_counts_more_than_stems(word: str) -> None:
    """A word of the table has the meaning of the table, whatever its stems."""
    assert state_of(word, has_url=False) is STATES[word]


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("done", True),
        ("完成", True),
        ("40%", True),
        ("2", False),
        ("", False),
        (" - ", False),
        (2, False),
        (None, False),
    ],
)
def test_number_is_no_readable_status(status: object, expected: object) -> None:
    """A word and a percentage are readable; a number is not, even as text."""
    assert is_readable(status) is expected


def test_rule_is_named() -> None:
    """The rule that gives a word its meaning is named."""
    assert rule_of("Completed") == "a known status word"
    assert rule_of("finished") == "the stem of a status word"
    assert rule_of("polishing") == "an unknown status word, which is never final"
