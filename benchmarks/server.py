"""The server that is measured against: nginx with answers of its own, or a slower stand-in where there is none."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.lab import ROOT, say

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: Bytes of the file that downloads fetch.
FILE_SIZE = 200 * 1024 * 1024

_PROMPT = "A pond in the morning, mist over the water, a heron that takes off slowly; the camera follows it."
#: What each library asks for, and what it takes for "still running". Paths end in the task's id.
ANSWERS = {
    "/v1/video/query": {
        "id": "t", "status": "processing", "video_url": None, "enhanced_prompt": _PROMPT, "status_update_time": 1,
    },
    "/v1/videos/": {
        "id": "t", "object": "video", "model": "m", "status": "in_progress", "progress": 10, "created_at": 1,
        "prompt": _PROMPT, "seconds": "4", "size": "720x1280",
    },
    "/v1/tasks/": {"id": "t", "status": "RUNNING", "createdAt": "2026-01-01T00:00:00Z", "progress": 0.1},
    "/v1/predictions/": {
        "id": "t", "model": "m", "version": "v", "status": "processing", "input": {"prompt": _PROMPT}, "output": None,
        "logs": None, "error": None, "metrics": None, "created_at": "2026-01-01T00:00:00Z", "started_at": None,
        "completed_at": None, "urls": {},
    },
    "/generations/": {"id": "t", "state": "dreaming", "created_at": "2026-01-01T00:00:00Z", "model": "m"},
    "/owner/app/requests/": {"status": "IN_PROGRESS", "logs": [], "metrics": {}, "request_id": "t"},
}  # fmt: skip

_CONF = """
daemon off; master_process off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/error.log crit;
events {{ worker_connections 8192; }}
http {{
  access_log off; sendfile on; tcp_nopush on; tcp_nodelay on; keepalive_requests 100000000; keepalive_timeout 600s;
  client_body_temp_path {folder}/t1; proxy_temp_path {folder}/t2; fastcgi_temp_path {folder}/t3;
  uwsgi_temp_path {folder}/t4; scgi_temp_path {folder}/t5;
  server {{
    listen 127.0.0.1:{port} backlog=4096; root {folder}/www;
    location = /count {{ stub_status; }}
    location = /done/v1/video/query {{ default_type application/json; return 200 '{done}'; }}
    location ~ /content$ {{ default_type video/mp4; rewrite ^ /video.mp4 break; }}
    location ~ /resolve/main/video.mp4$ {{
      default_type video/mp4; add_header X-Repo-Commit 0000000000000000000000000000000000000000;
      rewrite ^ /video.mp4 break;
    }}
    location = /video.mp4 {{ default_type video/mp4; }}
{answers}  }}
}}
"""


@dataclass
class Server:
    """A running server."""

    url: str
    process: subprocess.Popen[bytes]
    name: str

    @property
    def pid(self) -> int:
        """Its only process."""
        return self.process.pid

    def stop(self) -> None:
        """End it."""
        self.process.terminate()
        self.process.wait()


def find_nginx() -> str | None:
    """Where nginx is; Debian keeps it out of an ordinary user's path."""
    return shutil.which("nginx") or next((path for path in ("/usr/sbin/nginx",) if os.access(path, os.X_OK)), None)


def start(folder: Path) -> Server:
    """Start one in the folder, with the file for downloads in it."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    (folder / "www").mkdir()
    for each in (folder, folder / "www"):
        each.chmod(0o755)
    _write_file(folder / "www" / "video.mp4")
    nginx = find_nginx()
    if nginx is None:
        say("nginx is not installed (Debian: apt-get install nginx-light). A server in Python answers instead, itself")
        say("the bottleneck of what is fast, so ratios come out nearer to 1, and nothing is told of connections.")
        command = [sys.executable, "-m", "benchmarks.stand_in", str(port), str(folder / "www" / "video.mp4")]
        return _await(Server(url, subprocess.Popen(command, cwd=ROOT), "stand-in"))
    conf = folder / "nginx.conf"
    conf.write_text(
        _CONF.format(folder=folder, port=port, answers="".join(_locations()), done=done_answer(url)), "utf-8"
    )
    command = [nginx, "-p", str(folder), "-c", str(conf), "-e", str(folder / "error.log")]
    return _await(Server(url, subprocess.Popen(command), _version(nginx)))


def done_answer(url: str) -> str:
    """The answer that names the file."""
    return json.dumps({"id": "t", "status": "completed", "video_url": f"{url}/video.mp4", "status_update_time": 1})


def _locations() -> Iterator[str]:
    for path, answer in ANSWERS.items():
        match = f"= {path}" if not path.endswith("/") else path
        yield f"    location {match} {{ default_type application/json; return 200 '{json.dumps(answer)}'; }}\n"


def _version(nginx: str) -> str:
    told = subprocess.run([nginx, "-v"], stderr=subprocess.PIPE, check=True).stderr.decode()
    return told.strip().removeprefix("nginx version: ").replace("/", " ")


def _write_file(path: Path) -> None:
    """An MP4's first box, and then blocks that differ."""
    block = os.urandom((1 << 20) - 32)
    with path.open("wb") as file:
        for number in range(FILE_SIZE >> 20):
            lead = b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom" if not number else b"-" * 24
            file.write(lead + number.to_bytes(8, "big") + block)


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def _await(server: Server) -> Server:
    port = int(server.url.rsplit(":", 1)[1])
    for _ in range(200):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return server
        except OSError:
            time.sleep(0.05)
    server.process.kill()
    raise SystemExit(f"the server ({server.name}) does not come up")
