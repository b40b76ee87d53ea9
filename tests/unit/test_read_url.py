"""URLs that are read for every request."""

from __future__ import annotations

from urllib.parse import urlencode

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kkiai_sdk._http.base_session import read_url

BASES = ["http://127.0.0.1:8080/v1/video/query", "https://gateway.example", "https://xn--bcher-kva.example/a%20b/"]


@given(st.sampled_from(BASES), st.dictionaries(st.text(), st.text(st.characters(exclude_categories=["Cs"]))))
def test_as_httpx_reads_it(base: str, params: dict[str, str]) -> None:
    """A URL with any parameters is what httpx would have read, to the last part."""
    text = f"{base}?{urlencode(params, errors='replace')}" if params else base
    read, expected = read_url(text), httpx.URL(text)
    assert (read, str(read), read.raw_path) == (expected, text, expected.raw_path)
    assert (read.params, read.netloc, hash(read)) == (expected.params, expected.netloc, hash(expected))


@pytest.mark.parametrize("query", ["", "?", "?a b", "?a=1#part", "?ä", "?a=%zz", "?[]", "?a?b"])
def test_what_somebody_else_wrote(query: str) -> None:
    """A query that is not ready to be sent is left to httpx."""
    text = f"{BASES[0]}{query}"
    assert (str(read_url(text)), read_url(text)) == (str(httpx.URL(text)), httpx.URL(text))
