"""Files inside URLs."""

from __future__ import annotations

import base64
from urllib.parse import quote

import pytest

from kkiai_sdk import DownloadError
from kkiai_sdk._downloads import data_url
from kkiai_sdk._downloads.data_url import is_data_url, parse_data_url
from kkiai_sdk._redaction import display_url, message

FILE = bytes(range(256)) * 5


@pytest.mark.fault("D-33")
@pytest.mark.parametrize(
    "url",
    [
        f"data:video/mp4;base64,{base64.b64encode(FILE).decode()}",
        f"DATA:video/mp4; Base64 ,{base64.b64encode(FILE).decode().rstrip('=')}",
        f"data:video/mp4;base64,{base64.urlsafe_b64encode(FILE).decode()}",
        f"data:video/mp4;base64,{quote(base64.b64encode(FILE).decode(), safe='')}",
        f"data:video/mp4;base64,{base64.encodebytes(FILE).decode()}",
        f'data:video/mp4;codecs="avc1.4d401e, mp4a.40.2";base64,{base64.b64encode(FILE).decode()}',
        f"data:video/mp4;codecs=avc1.4d401e,mp4a.40.2;base64,{base64.b64encode(FILE).decode()}",
    ],
    ids=["plain", "no padding", "URL alphabet", "escaped", "lines", "quoted comma", "comma"],
)
def test_data_url_is_decoded_in_any_spelling(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file in a data URL comes out in pieces, of the size that was announced, whatever the spelling of base64."""
    monkeypatch.setattr(data_url, "PIECE_SIZE", 8)
    data = parse_data_url(url)
    pieces = list(data.chunks())
    assert (b"".join(pieces), data.size, max(map(len, pieces))) == (FILE, len(FILE), 6)
    assert data.content_type.split(";")[0] == "video/mp4"
    assert is_data_url(url)
    assert list(parse_data_url("data:;base64,AAAX").chunks()) == [b"\0\0\x17"]


@pytest.mark.fault("D-33")
@pytest.mark.parametrize(
    "url", ["data:video/mp4,moo", "data:", "data:video/mp4;base64", f"data:{'x' * 300};base64,AAAA"]
)
def test_data_url_without_base64_is_refused(url: str) -> None:
    """A data URL in another form is refused."""
    with pytest.raises(DownloadError, match=r"^the video URL 'data:.*,…' is not in base64$") as caught:
        parse_data_url(url)
    assert str(caught.value.url).startswith("data:")


@pytest.mark.fault("D-33")
@pytest.mark.parametrize("body", ["AAAAA", "AA\u00e9A", "AA!AA", "AA=A"])
def test_data_url_with_damaged_base64_is_refused_without_its_body(body: str) -> None:
    """Damaged base64 raises DownloadError, whose text has nothing of the body in it."""
    with pytest.raises(DownloadError, match="not valid base64") as caught:
        list(parse_data_url(f"data:video/mp4;base64,{body}").chunks())
    assert body not in str(caught.value)


@pytest.mark.fault("D-33")
def test_body_of_data_url_is_in_no_message() -> None:
    """A data URL is shown by its head alone, by itself and inside a text."""
    url = f"data:video/mp4;base64,{base64.b64encode(FILE).decode()}"
    assert display_url(url) == "data:video/mp4;base64,…"
    assert message(f'no such file: "{url}", sorry') == 'no such file: "data:video/mp4;base64,…", sorry'
    assert display_url(f"data:{'x' * 300},{url}") == "data:,…"
    assert "AAEC" not in repr(parse_data_url(url))
