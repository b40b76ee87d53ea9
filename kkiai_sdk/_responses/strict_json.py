"""Reading JSON from a stranger: strictly when it should be an answer, loosely when it is an error anyway."""

from __future__ import annotations

import json
import math
import re
import zlib
from typing import Any, NoReturn

from kkiai_sdk import _redaction as _text

#: Bytes of a body that are read; real answers have a few thousand.
MAX_BODY = 1 << 20
#: Pieces that a packed body may have; real ones have one. Each costs a copy of the rest: thousands would take seconds.
MAX_MEMBERS = 16
#: Brackets of a body nested deeper than this make it "not an answer"; real answers reach six.
MAX_DEPTH = 64

# A string that is never closed takes the rest: to look for its end from each of its quotes would take a square of time.
_BRACKETS = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|[\[\]{}]', re.DOTALL)
_STEP = {b"[": 1, b"{": 1, b"]": -1, b"}": -1}
_NAMES = {list: "a list", str: "a text", type(None): "null", bool: "a boolean"}


def decoded(body: bytes, coding: str) -> bytes:
    """A body without its content coding. Raises ValueError; never holds much more than 1 MiB, whatever the body says.

    No coding was asked for, so one at most is understood; a chain of them can be nothing but an attack.
    """
    kind = coding.strip().lower()
    if kind in {"", "identity"}:
        return body
    if kind not in {"gzip", "x-gzip", "deflate"}:
        raise ValueError(f"a body in the encoding {_text.message(kind, 60)}, which was not asked for")
    plain = b""
    # A packed file may be several, one behind the other (RFC 1952, section 2.2), and each has its own end.
    for _ in range(MAX_MEMBERS):
        # 32 on top of the largest window: the format is found out from the first bytes.
        inflater = zlib.decompressobj(zlib.MAX_WBITS | 32)
        try:
            plain += inflater.decompress(body, MAX_BODY + 1 - len(plain))
        except zlib.error:
            raise ValueError("a body that cannot be unpacked") from None
        if len(plain) > MAX_BODY:
            return plain
        if not inflater.eof:
            raise ValueError("a packed body that is cut short")
        body = inflater.unused_data
        if not body:
            return plain
    raise ValueError(f"a packed body of more than {MAX_MEMBERS} pieces")


def parse_json(body: bytes) -> dict[str, Any]:
    """A JSON object, strictly: UTF-8, finite numbers, at most 64 levels, at most 1 MiB. Raises ValueError.

    Of duplicate keys the last counts, as everywhere in Python.
    """
    if len(body) > MAX_BODY:
        raise ValueError(f"a body of more than {MAX_BODY} bytes")
    if not body.strip():
        raise ValueError("an empty body")
    if _is_deep(body):
        raise ValueError(f"JSON nested more than {MAX_DEPTH} levels deep")
    try:
        value = json.loads(body.decode("utf-8-sig"), parse_constant=_refuse, parse_float=_finite)
    except (ValueError, RecursionError):
        raise ValueError("a body that is not JSON") from None
    if not isinstance(value, dict):
        raise ValueError(  # noqa: TRY004 (what is wrong is a text, not a Python type)
            f"JSON that is {_NAMES.get(type(value), 'a number')} where an object was expected"
        )
    return value


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)


def _finite(digits: str) -> float:
    value = float(digits)
    return value if math.isfinite(value) else _refuse(digits)


def _is_deep(body: bytes) -> bool:
    """Whether brackets outside strings are nested more than MAX_DEPTH levels deep: found without recursion."""
    if body.count(b"[") + body.count(b"{") <= MAX_DEPTH:
        return False
    depth = 0
    for bracket in _BRACKETS.finditer(body):
        depth += _STEP.get(bracket[0], 0)
        if depth > MAX_DEPTH:
            return True
    return False


def read_loosely(text: str) -> Any:
    """The first JSON document in a text, or None. Some gateways send two in a row."""
    if _is_deep(text.encode("utf-8", errors="replace")):
        return None
    try:
        return json.JSONDecoder().raw_decode(text.lstrip())[0]
    except (ValueError, RecursionError):
        return None
