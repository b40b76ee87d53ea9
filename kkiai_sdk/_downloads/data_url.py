"""Videos inside URLs: ``data:video/mp4;base64,…`` (RFC 2397)."""

from __future__ import annotations

import base64
import binascii
import re
from typing import TYPE_CHECKING
from urllib.parse import unquote

from attrs import field, frozen

from kkiai_sdk import _redaction
from kkiai_sdk.errors import DownloadError

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Characters that are decoded at once: a multiple of four, each four of which stand for three bytes.
PIECE_SIZE = 1 << 20
#: The list of codecs in a media type may have commas.
_HEAD = re.compile(r"data:(.{0,200}?);\s*base64\s*,", re.IGNORECASE | re.DOTALL)
_SPACES = re.compile(r"\s+")


@frozen
class DataURL:
    """The media type and the body of a data URL."""

    content_type: str
    #: Without padding and spaces, in the standard alphabet.
    _text: str = field(repr=False)

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return len(self._text) * 3 // 4

    def chunks(self) -> Iterator[bytes]:
        """Yield the file in pieces. Raises DownloadError if the text is not base64."""
        for start in range(0, len(self._text), PIECE_SIZE):
            piece = self._text[start : start + PIECE_SIZE]
            try:
                yield base64.b64decode(piece + "=" * (-len(piece) % 4), validate=True)
            except (binascii.Error, ValueError):
                raise DownloadError(f"the data URL of the video ({self.content_type}) is not valid base64") from None


def is_data_url(url: str) -> bool:
    """Whether a URL contains its file itself."""
    return url[:5].lower() == "data:"


def parse_data_url(url: str) -> DataURL:
    """Return the parts of a data URL. Raises DownloadError if it is not in base64."""
    head = _HEAD.match(url)
    if head is None:
        shown = _redaction.display_url(url)
        raise DownloadError(f"the video URL {shown!r} is not in base64", url=shown)
    text = url[head.end() :]
    if "%" in text:
        text = unquote(text)
    text = _SPACES.sub("", text).rstrip("=").translate({ord("-"): "+", ord("_"): "/"})
    return DataURL(head[1].strip(), text)
