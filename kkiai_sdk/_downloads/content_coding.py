"""Content codings of files: names that are not codings, and decompression of gzip and deflate sent unrequested."""

from __future__ import annotations

import re
import zlib
from typing import TYPE_CHECKING

from kkiai_sdk import _redaction
from kkiai_sdk._responses.raw_response import MAX_MEMBERS, PACKINGS, make_inflater
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
        self._url, self._codings = url, codings
        if len(codings) != 1 or codings[0] not in PACKINGS:
            names = _redaction.message(", ".join(codings), 60)
            raise self._error(f"a body in the encoding {names}, which was not requested")
        self._inflater = make_inflater(codings[0], beginning)
        self._packed = self._unpacked = 0
        self._members = 1

    def unpack(self, chunk: bytes) -> Iterator[bytes]:
        """Yield the contents of a chunk in pieces. Raises DownloadError for data that is damaged or grows too much."""
        self._packed += len(chunk)
        while chunk:
            if self._inflater.eof:
                # NULs after the end are padding, as for gzip(1).
                chunk = chunk.lstrip(b"\0")
                if not chunk:
                    return
                self._begin_member()
            try:
                piece = self._inflater.decompress(chunk, PIECE_SIZE)
            except zlib.error:
                raise self._error("a compressed body that cannot be decompressed") from None
            self._unpacked += len(piece)
            if self._unpacked > PIECE_SIZE + MAX_RATIO * self._packed:
                raise self._error(f"a compressed body that expands to more than {MAX_RATIO} times its size")
            yield piece
            chunk = self._inflater.unused_data if self._inflater.eof else self._inflater.unconsumed_tail

    def check_end(self) -> None:
        """Raise DownloadError if the body has been cut short."""
        if not self._inflater.eof:
            raise self._error("a truncated compressed body")

    def _begin_member(self) -> None:
        # A gzip file may have several members (RFC 1952, section 2.2).
        self._members += 1
        if self._members > MAX_MEMBERS:
            raise self._error(f"a compressed body of more than {MAX_MEMBERS:,} members")
        self._inflater = make_inflater()

    def _error(self, reason: str) -> DownloadError:
        return DownloadError(f"{self._url}: the server sent {reason}", url=self._url)
