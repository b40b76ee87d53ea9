"""Tests that need what some operating systems lack."""

from __future__ import annotations

import os
import sys

import pytest

#: Signals to a thread, files that are found by their descriptor.
needs_posix = pytest.mark.skipif(os.name == "nt", reason="Windows lacks signals to threads, and names of descriptors")
needs_proc = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
