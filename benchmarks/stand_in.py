"""A server in Python: for where there is no nginx, and for answers that take their time.

``python -m benchmarks.stand_in PORT FILE [SECONDS]``
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from benchmarks.server import ANSWERS, done_answer


class Answering(asyncio.Protocol):
    """Answers each request of a connection, after a while."""

    port: int
    file: Path
    seconds: float
    transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember where to write."""
        assert isinstance(transport, asyncio.Transport)
        self.transport, self.buffer = transport, b""

    def data_received(self, data: bytes) -> None:
        """Take requests as they come; none has a body to speak of."""
        self.buffer += data
        while b"\r\n\r\n" in self.buffer:
            request, _, self.buffer = self.buffer.partition(b"\r\n\r\n")
            if request == b"0":
                continue  # the end of a chunked body of nothing, which aiohttp's transport sends along
            path = request.split(b" ")[1].decode().split("?")[0]
            asyncio.get_running_loop().call_later(self.seconds, self.answer, path)

    def answer(self, path: str) -> None:
        """Answer as nginx is told to."""
        if self.transport.is_closing():
            return
        if path.endswith(("/content", "/video.mp4")):
            self.send(self.file.read_bytes(), "video/mp4")
        elif path == "/done/v1/video/query":
            self.send(done_answer(f"http://127.0.0.1:{self.port}").encode(), "application/json")
        else:
            found = next((answer for start, answer in ANSWERS.items() if path.startswith(start)), {})
            self.send(json.dumps(found).encode(), "application/json")

    def send(self, body: bytes, kind: str) -> None:
        """One answer."""
        head = f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
        self.transport.write(head.encode() + body)


async def serve(port: int) -> None:
    """Answer for ever."""
    server = await asyncio.get_running_loop().create_server(Answering, "127.0.0.1", port, backlog=4096)
    await server.serve_forever()


if __name__ == "__main__":
    Answering.port, Answering.file = int(sys.argv[1]), Path(sys.argv[2])
    Answering.seconds = float(sys.argv[3]) if len(sys.argv) > 3 else 0.0
    asyncio.run(serve(Answering.port))
