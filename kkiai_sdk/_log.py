"""The package logger, silent until the application configures logging."""

from __future__ import annotations

import logging

log = logging.getLogger("kkiai_sdk")
log.addHandler(logging.NullHandler())
