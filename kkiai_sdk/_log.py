"""The one logger. It is silent until the program that uses the SDK gives it a handler and a level."""

from __future__ import annotations

import logging

log = logging.getLogger("kkiai_sdk")
log.addHandler(logging.NullHandler())
