"""Names of files on Windows: what it accepts, and how long a path may be.

Rules of "Naming Files, Paths, and Namespaces" in the Windows documentation. A colon would address a stream inside
another file, a device name a device, and dots and spaces at the end are dropped without a word.
"""

from __future__ import annotations

import re

#: Maximum characters of a path, without the NUL at its end; longer ones are a setting of the machine.
MAX_PATH = 259
#: A name of a device, with any extension.
DEVICE = re.compile(r"(?:con|prn|aux|nul|conin\$|conout\$|(?:com|lpt)[\d¹²³])\s*(?:[.:]|$)", re.IGNORECASE)
_FORBIDDEN = re.compile(r'[<>:"/\\|?*\x00-\x1f]')


def name_problem(name: str) -> str | None:
    """Return the reason why Windows accepts no file of this name, or None."""
    if DEVICE.match(name):
        return "is the name of a device"
    if found := _FORBIDDEN.search(name):
        return f"contains {found[0]!r}"
    return "ends with a dot or a space" if name.endswith((".", " ")) else None


def name_limit(folder: str, most: int) -> int:
    """Return the maximum characters of a name in a folder, at most ``most``, for its path to be within MAX_PATH."""
    return min(most, MAX_PATH - len(folder.rstrip("\\/")) - 1)
