"""The server to measure against: nginx with canned answers, or a slower server in Python where nginx is missing."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

#: Size of the file to download, in bytes.
FILE_SIZE = 200 * 1024 * 1024

_PROMPT = "A pond in the morning, mist over the water, a heron that takes off slowly; the camera follows it."
#: The answer to a query of a running task, by the path that a library asks; a path that ends in a slash is a prefix.
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
    """A running server, in a separate process."""

    url: str
    process: subprocess.Popen[bytes]
    name: str

    def stop(self) -> None:
        """Terminate the process."""
        self.process.terminate()
        self.process.wait()


def start(folder: Path) -> Server:
    """Start the server in a folder, after writing the file to download."""
    file, port = folder / "www" / "video.mp4", _free_port()
    file.parent.mkdir()
    for each in (folder, file.parent):
        each.chmod(0o755)
    _write_file(file)
    # Debian keeps it out of the path of ordinary users.
    nginx = shutil.which("nginx") or shutil.which("/usr/sbin/nginx")
    if nginx is None:
        return start_stand_in(file)
    url = f"http://127.0.0.1:{port}"
    answers = "".join(
        f"    location {'' if path.endswith('/') else '= '}{path} "
        f"{{ default_type application/json; return 200 '{json.dumps(answer)}'; }}\n"
        for path, answer in ANSWERS.items()
    )
    conf = folder / "nginx.conf"
    conf.write_text(_CONF.format(folder=folder, port=port, answers=answers, done=done_answer(url)), "utf-8")
    process = subprocess.Popen([nginx, "-p", str(folder), "-c", str(conf), "-e", str(folder / "error.log")])
    version = subprocess.run([nginx, "-v"], stderr=subprocess.PIPE, check=True, text=True).stderr
    name = version.strip().removeprefix("nginx version: ").replace("/", " ")
    return _wait_until_up(Server(url, process, name))


def start_stand_in(file: Path, latency: float = 0.0) -> Server:
    """Start the server in Python, which answers after `latency` seconds."""
    port = _free_port()
    command = [sys.executable, "-m", "benchmarks.stand_in", str(port), str(file), str(latency)]
    process = subprocess.Popen(command, cwd=Path(__file__).parent.parent)
    return _wait_until_up(Server(f"http://127.0.0.1:{port}", process, "stand-in"))


def done_answer(url: str) -> str:
    """The answer to a query of a finished task, which names the file."""
    return json.dumps({"id": "t", "status": "completed", "video_url": f"{url}/video.mp4", "status_update_time": 1})


def _write_file(path: Path) -> None:
    """Write the first box of an MP4, and blocks that all differ."""
    block = os.urandom((1 << 20) - 32)
    with path.open("wb") as file:
        for number in range(FILE_SIZE >> 20):
            lead = b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom" if not number else b"-" * 24
            file.write(lead + number.to_bytes(8, "big") + block)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def _wait_until_up(server: Server) -> Server:
    port = int(server.url.rsplit(":", 1)[1])
    for _ in range(200):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return server
        except OSError:
            time.sleep(0.05)
    server.process.kill()
    raise SystemExit(f"the server ({server.name}) does not accept connections")
