"""Writes the body of a response to the part file."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from kkiai_sdk._downloads import sniffing
from kkiai_sdk._downloads.content_coding import Unpacker
from kkiai_sdk._downloads.range_requests import check_size
from kkiai_sdk._downloads.text_body import MAX_TEXT, read_text
from kkiai_sdk._responses.raw_response import decode_body
from kkiai_sdk.errors import DownloadError

if TYPE_CHECKING:
    from collections.abc import Callable

    from kkiai_sdk._downloads.part_file import PartFile
    from kkiai_sdk._downloads.range_requests import SaveBody


class BodyWriter:
    """Writes a body to the part once its beginning has been recognized as a video."""

    def __init__(self, part: PartFile, save: SaveBody, content_type: str, max_bytes: int | None, url: str) -> None:
        self._part, self._save, self._type, self._max_bytes, self._url = part, save, content_type, max_bytes, url
        # A resumed file has been recognized before.
        self._beginning: bytes | None = None if save.offset else b""
        self._unpacker: Unpacker | None = None
        #: The first bytes of a body that may be compressed, or None once that is known.
        self._packed: bytes | None = b"" if save.codings else None

    @property
    def size(self) -> int:
        """Bytes of the file on disk, without those that the body will replace."""
        return self._part.size if self._beginning is None else 0

    @property
    def text(self) -> str | None:
        """The beginning of a body that was refused, if it is text, or None."""
        return None if self._beginning is None else read_text(self._beginning)

    def start(self) -> None:
        """Prepare the part for a body that resumes it."""
        if self._save.offset:
            self._part.start_body(self._save)

    def write(self, chunk: bytes) -> None:
        """Write a chunk, or buffer it until the beginning is long enough to be recognized."""
        if self._packed is None:
            self._unpack(chunk)
            return
        self._packed += chunk
        if len(self._packed) >= sniffing.SNIFF_SIZE:
            self._begin_unpacking(self._packed)

    def finish(self) -> None:
        """Check the buffered beginning and write it. Raises NotAVideoError."""
        if self._packed is not None:
            self._begin_unpacking(self._packed)
        if self._unpacker:
            self._unpacker.check_end()
        self._recognize()

    def _begin_unpacking(self, beginning: bytes) -> None:
        self._packed = None
        # Some servers name a coding that they have not applied.
        if not sniffing.is_video(beginning) and not sniffing.is_text(beginning):
            self._unpacker = Unpacker(self._url, self._save.codings, beginning)
        self._unpack(beginning)

    def _unpack(self, chunk: bytes) -> None:
        for piece in self._unpacker.unpack(chunk) if self._unpacker else (chunk,):
            self._take(piece)

    def _take(self, piece: bytes) -> None:
        if self._beginning is None:
            self._append(piece)
            return
        self._beginning += piece
        if len(self._beginning) >= (MAX_TEXT if self._is_text() else sniffing.SNIFF_SIZE):
            self._recognize()

    def _is_text(self) -> bool:
        """Whether the body looks like a text, which is read further for its reason."""
        first = (self._beginning or b"")[: sniffing.SNIFF_SIZE]
        return sniffing.is_text(first) and not sniffing.is_video(first)

    def _recognize(self) -> None:
        if self._beginning is not None:
            sniffing.check_video(self._type, self._beginning, self._url)
            self._part.start_body(self._save)
            beginning, self._beginning = self._beginning, None
            self._append(beginning)

    def _append(self, chunk: bytes) -> None:
        size = self._part.size + len(chunk)
        check_size(size, self._max_bytes, self._url)
        if self._save.total is not None and size > self._save.total:
            # It is unknown which of the bytes belong to the file.
            self._part.restart()
            raise DownloadError(f"{self._url}: the server sent more bytes than it declared", url=self._url)
        self._part.write(chunk)


#: Seconds for which the text of a refusal is read, after its first bytes: some servers send a little now and then.
TEXT_TIMEOUT = 5.0


class TextTooLongError(Exception):
    """A text that is too long, or takes too long to receive, and may be endless."""


class TextReader:
    """Reads a body as text; ``coding`` is its Content-Encoding, ``clock`` returns seconds."""

    def __init__(self, coding: str, clock: Callable[[], float]) -> None:
        self._body, self._coding, self._clock, self._until = b"", coding, clock, math.inf

    def write(self, chunk: bytes) -> None:
        """Add a chunk. Raises TextTooLongError."""
        now = self._clock()
        self._until = min(self._until, now + TEXT_TIMEOUT)
        self._body += chunk
        if now > self._until:
            raise TextTooLongError
        if len(self._body) > MAX_TEXT:
            self._body = b""
            raise TextTooLongError

    @property
    def text(self) -> str:
        """The text, empty if there is none."""
        try:
            return read_text(decode_body(self._body, self._coding, MAX_TEXT)) or ""
        except ValueError:
            return ""
