"""Deterministic interleaving of two threads: the other's work runs before each instruction of a function in turn.

Concurrent threads rarely meet a narrow race. Here the other thread's work runs, whole, just before the n-th bytecode
instruction of the function, for every n.
"""

from __future__ import annotations

import sys
from contextlib import contextmanager
from types import CodeType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

#: A tool id that ``sys.monitoring`` reserves for no purpose.
TOOL = 4


def steps(function: Callable[..., object]) -> Iterator[Callable[[Callable[[], Any], Callable[[], object]], Any]]:
    """Yield, for each instruction of the function, a runner of ``call()`` with ``intrude()`` just before it."""
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
        with _before_each_instruction(self._codes, self._step):
            return call()

    def _step(self) -> None:
        if not self.was_reached:
            self._left -= 1
            if self._left < 0:
                self.was_reached = True
                self._intrude()


@contextmanager
def _before_each_instruction(codes: set[CodeType], on_step: Callable[[], None]) -> Iterator[None]:
    if sys.version_info >= (3, 12):
        # sys.settrace() reports instructions there only from the next call of the function on.
        monitor, event = sys.monitoring, sys.monitoring.events.INSTRUCTION
        monitor.use_tool_id(TOOL, __name__)
        monitor.register_callback(TOOL, event, lambda *_: on_step())
        for code in codes:
            monitor.set_local_events(TOOL, code, event)
        try:
            yield
        finally:
            for code in codes:
                monitor.set_local_events(TOOL, code, 0)
            monitor.free_tool_id(TOOL)
    else:
        with _traced(codes, on_step):
            yield


@contextmanager
def _traced(codes: set[CodeType], on_step: Callable[[], None]) -> Iterator[None]:
    def step(_frame: FrameType, event: str, _detail: object) -> Any:
        if event == "opcode":
            on_step()
        return step

    def enter(frame: FrameType, _event: str, _detail: object) -> Any:
        if frame.f_code not in codes:
            return None
        frame.f_trace_lines, frame.f_trace_opcodes = False, True
        return step

    before = sys.gettrace()
    sys.settrace(enter)
    try:
        yield
    finally:
        sys.settrace(before)
