"""The meaning of status words: a table of known words, and stems for the others.

A word in :data:`STATES` has that meaning. For any other the stems of :data:`STEMS` decide, if all that occur mean the
same state and nothing negates them. A final state also requires that no word next to the stem restricts it:
``video_ready`` is a success, ``worker_ready`` is not. Everything else is UNKNOWN, which never ends a task.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from kkiai_sdk.models import TaskState

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PENDING, RUNNING, SUCCEEDED, FAILED = TaskState.PENDING, TaskState.RUNNING, TaskState.SUCCEEDED, TaskState.FAILED
UNKNOWN = TaskState.UNKNOWN

#: Status words in lower case, words joined by underscores.
STATES: Mapping[str, TaskState] = {
    "completed": SUCCEEDED,
    "success": SUCCEEDED,
    "succeeded": SUCCEEDED,
    "done": SUCCEEDED,
    "ready": SUCCEEDED,
    "failed": FAILED,
    "failure": FAILED,
    "error": FAILED,
    "cancelled": FAILED,
    "canceled": FAILED,
    "expired": FAILED,
    "rejected": FAILED,
    "video_generation_failed": FAILED,
    "video_upsampling_failed": FAILED,
    "processing": RUNNING,
    "in_progress": RUNNING,
    "running": RUNNING,
    "generating": RUNNING,
    "image_downloading": RUNNING,
    "video_generating": RUNNING,
    "video_generation_completed": RUNNING,
    "video_upsampling": RUNNING,
    # Gateways disagree about this one: see DONE_WITH_URL.
    "video_upsampling_completed": RUNNING,
    "pending": PENDING,
    "queued": PENDING,
    "submitted": PENDING,
    "not_start": PENDING,
}
#: Words that mean success if there is a URL, and work in progress without one.
DONE_WITH_URL = frozenset({"video_upsampling_completed"})
#: Beginnings of words, and parts of Chinese ones. Actions in progress, as in ``cancelling``, are not final.
STEMS: Sequence[tuple[TaskState, re.Pattern[str]]] = (
    (
        SUCCEEDED,
        re.compile(
            r"\b(?:succe(?:ss|ed)\w*|complet(?!ing|ion)\w*|finish(?!ing)\w*|done\b|ready\b)"
            r"|成功|完成|完毕|就绪"
        ),
    ),
    (
        FAILED,
        re.compile(
            r"\b(?:fail(?:ed|ures?|s)?|error(?:ed|s)?|cancel(?:l?ed|l?ation)?|expire[ds]?|reject(?:ed|ion)?|block(?:ed)?"
            r"|moderated|time ?(?:d ?)?out|abort(?:ed)?)\b"
            r"|失败|失敗|错误|出错|取消|过期|拒绝|超时|违规|中止|终止"
        ),
    ),
    (
        PENDING,
        re.compile(
            r"\b(?:queu|pending|a?wait|submit|created\b|prepar|schedul|accepted\b)"
            r"|(?:排队|排隊|等待|待处理|待执行)中?|提交|创建"
        ),
    ),
    (
        RUNNING,
        re.compile(
            r"\b(?:process|preprocess|running|generat|progress|start|render|execut|working\b|upload|download|encod|transcod"
            r"|upscal)"
            r"|(?<!排队)(?<!排隊)(?<!等待)(?<!待处理)中$|正在|上传|下载|审核"
        ),
    ),
)
#: A step that is over: a success if it brought a URL, as the last step does. Without one it may be any step.
_STEP_OVER = re.compile(
    r"\b(?:generated|processed|rendered|uploaded|encoded|transcoded|upscaled|exported|finali[sz]ed|delivered|ended"
    r"|ok(?:ay)?)\b"
    r"|已(?:生成|处理|渲染|上传|结束)|结束"
)
#: Words next to a success or a failure that do not restrict it, and parts of Chinese ones.
_NEUTRAL = {
    SUCCEEDED: re.compile(
        r"\b(?:a|all|and|been|everything|fully|final|has|is|it|its|job|now|ok|okay|output|result|state|status|task|the"
        r"|totally|video|videos|warnings?|with|work|100)\b|已|经|任务|视频|全部|生成|处理|渲染|制作|执行|了|100|\W"
    ),
    FAILED: re.compile(
        r"\b(?:a|admin|and|because|been|by|client|content|due|fatal|finally|gateway|has|internal|is|it|job|of|out|output"
        r"|permanent|permanently|policy|provider|result|server|state|status|system|task|the|to|unknown|unexpected"
        r"|upstream|user|video|videos|work|occurred)\b|已|被|任务|视频|生成|处理|渲染|内容|系统|内部|用户|了|\W"
    ),
}
#: Words that negate those next to them: ``not_ready``, ``unsuccessful``, ``未完成``.
_NEGATED = re.compile(r"\b(?:no|non|none|not|never|nothing|without|zero|un\w+ed)\b|[未不没沒无無非]")
_NOT_STARTED = re.compile(r"not start(?:ed)?|(?:尚)?未开始")
#: The name of an enumeration before its member: its noun is not a stem.
_ENUMERATION = re.compile(r"^(?:(?:media|video) )?generation (?:status|state) (?=\w)")
#: Longer texts are sentences.
_MAX_LENGTH = 60


def normalized(status: object) -> str:
    """Return a status in the form of the table: in lower case, words joined by underscores; empty for no text."""
    return re.sub(r"[\s\-]+", "_", status.strip().lower()) if isinstance(status, str) else ""


def is_readable(status: object) -> bool:
    """Whether a status is a word or a percentage; a number is not, even as text."""
    return isinstance(status, str) and any(char.isalpha() or char == "%" for char in status)


def state_of(status: str, *, has_url: bool) -> TaskState:
    """Return the meaning of a status word. Some words mean success only if there is a URL."""
    word = status if status in STATES else normalized(status)
    if word in DONE_WITH_URL and has_url:
        return SUCCEEDED
    return STATES.get(word) or _state_by_stem(status[: _MAX_LENGTH + 1], has_url)


def rule_of(status: str) -> str:
    """Return which rule gives a status word its meaning, for an explanation."""
    if normalized(status) in STATES:
        return "a known status word"
    is_unknown = state_of(status, has_url=True) is UNKNOWN
    return "an unknown status word, which is never final" if is_unknown else "the stem of a status word"


@lru_cache(maxsize=256)
def _state_by_stem(status: str, has_url: bool) -> TaskState:  # noqa: FBT001 (part of the key of the cache)
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", status.strip())
    text = re.sub(r"[\W_]+", " ", spaced.replace("'", "")).lower().strip()
    text = _ENUMERATION.sub("", text)
    if _NOT_STARTED.fullmatch(text):
        return PENDING
    if len(status) > _MAX_LENGTH or _NEGATED.search(text):
        return UNKNOWN
    if _STEP_OVER.search(text) and not _NEUTRAL[SUCCEEDED].sub("", _STEP_OVER.sub("", text)):
        return SUCCEEDED if has_url else UNKNOWN
    found = {state: pattern for state, pattern in STEMS if pattern.search(text)}
    state, pattern = found.popitem() if len(found) == 1 else (UNKNOWN, _NEGATED)
    is_end = state in _NEUTRAL
    return UNKNOWN if is_end and _NEUTRAL[state].sub("", pattern.sub("", text)) else state
