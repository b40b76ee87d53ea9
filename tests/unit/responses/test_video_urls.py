"""URLs in the forms in which gateways send them, and the video among many."""

from __future__ import annotations

import pytest

from kkiai_sdk._responses.video_urls import find_videos, read_url
from tests.unit.support import GATEWAY, brief

URL = "https://files.example/a%2Fb.mp4?sig=x%2By&t=1"
DATA = "data:video/mp4;base64,AAAA"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (URL, URL),
        (f"  {URL}\n", URL),
        (f"`{URL}`", URL),
        (f'"{URL}"', URL),
        (f"<{URL}>", URL),
        (f"[watch]({URL})", URL),
        (f"![video](<{URL}>)", URL),
        (f'[watch]({URL} "the title")', URL),
        (f"Done: ![video]({URL}), or [save]({URL}&save)", URL),
        (f"![cover](https://files.example/c.jpg) [save]({URL})", URL),
        (f"[page](https://files.example/p) [save]({URL})", URL),
        ("![cover](https://files.example/c.jpg)", None),
        (f"The video: {URL}", URL),
        ("视频：https://files.example/a.mp4。", "https://files.example/a.mp4"),
        ("<video src='https://files.example/a.mp4' controls></video>", "https://files.example/a.mp4"),
        ("The page: https://files.example/p", None),
        (f"https://files.example/1.mp4, {URL}", "https://files.example/1.mp4"),
        ("[a](https://x.example/a(1).mp4)", "https://x.example/a(1).mp4"),
        (URL.replace("&", "&amp;"), URL),
        ("https://files.example/my cow.mp4", "https://files.example/my%20cow.mp4"),
        ("https://files.example/my\r\n cow.mp4", "https://files.example/my%20cow.mp4"),
        ("//files.example/a.mp4", "https://files.example/a.mp4"),
        ("files.example/a.mp4", "https://files.example/a.mp4"),
        ("files.example:8443/a.mp4", "https://files.example:8443/a.mp4"),
        ("localhost:8000/a.mp4", "https://localhost:8000/a.mp4"),
        ("203.0.113.9/a.mp4", "https://203.0.113.9/a.mp4"),
        ("/v1/files/a", f"{GATEWAY}/v1/files/a"),
        ("v1/videos/a/content", f"{GATEWAY}/v1/videos/a/content"),
        ("./videos/a.mp4", f"{GATEWAY}/videos/a.mp4"),
        ("made/a.mp4", f"{GATEWAY}/made/a.mp4"),
        ("a.mp4/b/c", f"{GATEWAY}/a.mp4/b/c"),
        (DATA, DATA),
        (f" {DATA} ", DATA),
        ("s3://bucket/a.mp4", "s3://bucket/a.mp4"),
        ("s3://bucket/a b", None),
        ("error: none yet", None),
        ("not ready yet", None),
        ("N/A", None),
        ("video/mp4", None),
        ("moo", None),
        ("", None),
        ("[" * 20_000, None),
        ("[a](" * 200_000, None),
        ("https://x.example/" + " " * 500_000 + "b", None),
        ("https://x.example/" + "a" * 20_000, "https://x.example/" + "a" * 20_000),
        ("a/" * 200_000 + " ", None),
        ("../" * 200_000 + "<", None),
        ("a." * 200_000, None),
    ],
    ids=brief,
)
def test_url_is_read_from_text(text: str, expected: str | None) -> None:
    """Decoration is removed and what is missing is completed; a plain URL is not touched."""
    assert read_url(text, GATEWAY) == expected


def test_text_under_another_name_is_not_completed() -> None:
    """A text without a scheme is no URL unless a name means one."""
    assert read_url("files.example/a.mp4", GATEWAY, is_link=False) is None
    assert read_url(URL, GATEWAY, is_link=False) == URL


ONE, TWO, BARE = "https://files.example/1.mp4", "https://files.example/2.mp4", "https://files.example/3"
PICTURE = "https://files.example/4.jpg"
FOUND: dict[str, tuple[object, list[str]]] = {
    "in any form": ({"videos": [{"url": ONE}, [TWO], f"[x]({BARE})"]}, [ONE, TWO, BARE]),
    "once": ({"videos": [ONE, ONE]}, [ONE]),
    "names of a video before those of a result": ({"result": BARE, "video": TWO}, [TWO, BARE]),
    "a suffix between equals": ({"a_video": BARE, "b_video": ONE}, [ONE, BARE]),
    "a preview last": ({"preview_video_url": ONE, "url": BARE}, [BARE, ONE]),
    "without a watermark": ({"no_watermark_video": ONE, "watermark_video": TWO}, [ONE, TWO]),
    "after a strange name": ({"zeta": {"video": {"url": BARE}}}, [BARE]),
    "a strange name of a video": ({"upscaled_zeta_video": BARE}, [BARE]),
    "a strange link in a result": ({"result": {"zeta_url": ONE, "eta_url": BARE}}, [ONE]),
    "data": ({"zeta": 1, "data": [DATA]}, [DATA]),
    "files": ({"files": [ONE, BARE], "content": f"Done: [here]({TWO})"}, [TWO, ONE]),
    "Chinese names": ({"视频地址": BARE, "封面链接": ONE, "原视频": ONE, "参考视频地址": ONE}, [BARE]),
    "by the kind of its object": (
        {
            "outputs": [
                {"type": "image", "url": ONE},
                {"mime_type": "audio/mp4", "url": ONE},
                {"kind": "video", "url": TWO},
            ]
        },
        [TWO],
    ),
    "a preview by its kind last": (
        {"files": [{"kind": "preview", "url": ONE}, {"kind": "final", "url": TWO}]},
        [TWO, ONE],
    ),
    "a chat": (
        {
            "messages": [{"role": "user", "content": [{"type": "video_url", "video_url": {"url": ONE}}]}],
            "choices": [{"message": {"role": "assistant", "content": f"[video]({TWO})"}}],
        },
        [TWO],
    ),
    "a video among what was made": (
        {"generated_images": [{"url": ONE, "imageUrl": ONE, "motionMP4URL": BARE}]},
        [BARE],
    ),
    "by the role of its object": ({"assets": [{"role": "input", "url": ONE}, {"role": "output", "url": TWO}]}, [TWO]),
    "a sample last": ({"sample_video": ONE, "final_video": TWO}, [TWO, ONE]),
    "not a repeated request": ({"body": {"model": "m", "prompt": "p", "video_url": ONE}}, []),
    "not what is to be changed": ({"video_in": ONE, "video_to_extend": ONE, "new_video": TWO, "old_video": ONE}, [TWO]),
    "not a site": ({"site": {"url": ONE}, "zeta": {"url": ONE}, "homepage_url": ONE}, []),
    "not a setting": ({"config": {"video_url": ONE}, "target_video_url": ONE}, []),
    "in an object store": ({"cosUrl": BARE, "location": TWO}, [BARE, TWO]),
    "not a place": ({"location": "us/east/1", "zeta": 1}, []),
    "not a picture": ({"url": PICTURE, "video": {"url": PICTURE}}, []),
    "not a cover": ({"video": {"cover": ONE, "thumbnail": ONE, "poster_url": ONE, "image": ONE}}, []),
    "not an input": ({"input": {"video_url": ONE}, "reference_videos": [ONE], "sourceVideo": ONE}, []),
    "not an address of the task": ({"response_url": ONE, "status_url": ONE, "task_url": ONE, "polling_url": ONE}, []),
    "not a callback": ({"webhook": ONE, "callback_url": ONE, "audio_url": ONE, "avatar": {"url": ONE}}, []),
    "not another scheme": ({"video": "ftp://files.example/1.mp4"}, []),
    "not a text": ({"video": 5, "url": "moo", "videos": "made: moo"}, []),
    "not a bare text": (ONE, []),
}


@pytest.mark.fault("J-21")
@pytest.mark.parametrize("case", FOUND)
def test_videos_are_found_by_the_names_that_lead_to_them(case: str) -> None:
    """The videos among the URLs of a value are found, the surest first, and no other thing."""
    value, expected = FOUND[case]
    assert [found.url for found in find_videos(value, GATEWAY)] == expected
