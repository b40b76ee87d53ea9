"""The logger of the package. It is silent until the program gives it a handler and a level."""

from __future__ import annotations

import logging

log = logging.getLogger("kkiai_sdk")
log.addHandler(logging.NullHandler())
