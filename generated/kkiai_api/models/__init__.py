"""Contains all the data models used in inputs/outputs"""

from .error_detail import ErrorDetail
from .error_response import ErrorResponse
from .video_task import VideoTask

__all__ = (
    "ErrorDetail",
    "ErrorResponse",
    "VideoTask",
)
