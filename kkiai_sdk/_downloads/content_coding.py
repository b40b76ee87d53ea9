"""Content codings of files: names that are not codings, and decompression of gzip and deflate sent unrequested."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING

from kkiai_sdk._responses.raw_response import Decompressor
from kkiai_sdk.errors import DownloadError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

#: Maximum bytes that are decompressed at once, which bounds memory use.
PIECE_SIZE = 1 << 20
#: Maximum size of a file relative to its compressed size. Videos hardly shrink; deflate reaches at most 1032 to 1.
MAX_RATIO = 20
#: Names in Content-Encoding that are not codings: the S3 upload framing, transfer encodings, charsets, media types.
_NO_CODING = re.compile(
    r"|identity|none|null|binary|[78]bit|aws-chunked|chunked|utf-?\d+|(?:us-)?ascii|iso-8859-\d+|latin-?1"
    r"|windows-\d+|gbk|gb2312|gb18030|big5|video/.*|application/.*",
    re.IGNORECASE,
)


def content_codings(header: str) -> list[str]:
    """Return the codings in a Content-Encoding header, in lower case, without the names that are not codings."""
    names = (name.strip().lower() for name in header.split(","))
    return [name for name in names if not _NO_CODING.fullmatch(name)]


class Unpacker:
    """Decompresses a body with a single coding, gzip or deflate, piece by piece.

    Raises DownloadError for other codings. ``beginning`` is that of the body, which tells forms of deflate apart.
    """

    def __init__(self, url: str, codings: Sequence[str] = ("gzip",), beginning: bytes = b"") -> None:
        self._url, self._packed, self._unpacked = url, 0, 0
        with self._errors_translated():
            self._decompressor = Decompressor(", ".join(codings), beginning)

    def unpack(self, chunk: bytes) -> Iterator[bytes]:
        """Yield the contents of a chunk in pieces. Raises DownloadError for data that is damaged or grows too much."""
        self._packed += len(chunk)
        with self._errors_translated():
            for piece in self._decompressor.pieces(chunk, PIECE_SIZE):
                self._unpacked += len(piece)
                if self._unpacked > PIECE_SIZE + MAX_RATIO * self._packed:
                    raise ValueError(f"a compressed body that expands to more than {MAX_RATIO} times its size")
                yield piece

    def check_end(self) -> None:
        """Raise DownloadError if the body has been cut short."""
        with self._errors_translated():
            self._decompressor.check_end()

    @contextmanager
    def _errors_translated(self) -> Iterator[None]:
        try:
            yield
        except ValueError as problem:
            raise DownloadError(f"{self._url}: the server sent {problem}", url=self._url) from None
