"""What happens between two steps of a function when another thread gets its turn there, at each of its steps in turn.

Threads that run side by side hit a narrow gap once in a million times. Here the other's work is done, whole, just
before the n-th bytecode instruction of the function, for every n.
"""

from __future__ import annotations

import sys
from types import CodeType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType


def steps(function: Callable[..., object]) -> Iterator[Callable[[Callable[[], Any], Callable[[], object]], Any]]:
    """For each instruction of the function a way to run ``call()`` with ``intrude()`` done just before it.

    The last one runs without an intrusion: ``call()`` was over before.
    """
    # A comprehension has code of its own in Python 3.11.
    codes = {function.__code__, *(part for part in function.__code__.co_consts if isinstance(part, CodeType))}
    step, was_reached = 0, True
    while was_reached:
        intruder = _Intruder(codes, step)
        yield intruder.run
        assert intruder.was_used
        was_reached, step = intruder.was_reached, step + 1
    assert step > 1, "the function was not called"


class _Intruder:
    def __init__(self, codes: set[CodeType], step: int) -> None:
        self._codes, self._left = codes, step
        self._intrude: Callable[[], object] = lambda: None
        self.was_reached = self.was_used = False

    def run(self, call: Callable[[], Any], intrude: Callable[[], object]) -> Any:
        self._intrude, self.was_used = intrude, True
        before = sys.gettrace()
        sys.settrace(self._enter)
        try:
            return call()
        finally:
            sys.settrace(before)

    def _enter(self, frame: FrameType, _event: str, _detail: object) -> Any:
        if frame.f_code not in self._codes or self.was_reached:
            return None
        frame.f_trace_lines, frame.f_trace_opcodes = False, True
        return self._step

    def _step(self, _frame: FrameType, event: str, _detail: object) -> Any:
        if event == "opcode" and not self.was_reached:
            self._left -= 1
            if self._left < 0:
                self.was_reached = True
                # Python traces nothing while a trace function runs.
                self._intrude()
        return self._step
