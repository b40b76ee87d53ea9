"""A server in Python, for machines without nginx and for answers that take their time.

``python -m benchmarks.stand_in PORT FILE [SECONDS]``
"""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import dataclass
from pathlib import Path

from benchmarks.server import ANSWERS, done_answer
from kkiai_sdk.mock.messages import End, ReceivedRequest, Reply
from kkiai_sdk.mock.server import Server, listen


@dataclass
class StandIn:
    """The handler of every request."""

    port: int
    file: Path
    seconds: float = 0.0

    async def __call__(self, request: ReceivedRequest, writer: asyncio.StreamWriter) -> End:
        """Answer after a while."""
        await asyncio.sleep(self.seconds)
        writer.write(self.reply(request.path).encode())
        return End.KEEP

    def reply(self, path: str) -> Reply:
        """Answer as nginx is configured to."""
        if path.endswith(("/content", "/video.mp4")):
            return Reply(200, self.file.read_bytes(), "video/mp4")
        if path == "/done/v1/video/query":
            return Reply(200, done_answer(f"http://127.0.0.1:{self.port}").encode())
        answer = next((ANSWERS[start] for start in ANSWERS if path.startswith(start)), {})
        return Reply(200, json.dumps(answer).encode())


if __name__ == "__main__":
    stand_in = StandIn(int(sys.argv[1]), Path(sys.argv[2]), *map(float, sys.argv[3:4]))
    with Server(stand_in, {"stand-in": listen(port=stand_in.port)}) as server:
        server.wait()
