"""Build hook: project URLs, and a README whose links work on an index page.

Where the project lives is known to the build alone: the release workflow sets ``PROJECT_URL``. Without it there are no
project URLs, and the README keeps its relative links. A build from a source distribution takes both from there.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface


def absolute_links(text: str, url: str, version: str) -> str:
    """Return a Markdown document with each relative link as an address of the repository, at this version."""

    def absolute(link: re.Match[str]) -> str:
        mark, label, target = link.groups()
        kind = "raw" if mark else "blob"
        return f"{mark}[{label}]({url}/{kind}/v{version}/{target})"

    return re.sub(r"(!?)\[([^]]*)\]\((?!\w+:|#)([^)]+)\)", absolute, text)


class CustomMetadataHook(MetadataHookInterface):
    """Fills in what depends on the place of the project."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Set the README and the URLs."""
        url = os.environ.get("PROJECT_URL", "").rstrip("/")
        text = Path(self.root, "README.md").read_text(encoding="utf-8")
        if url:
            blob = f"{url}/blob/v{metadata['version']}"
            text = absolute_links(text, url, metadata["version"])
            metadata["urls"] = {
                "Documentation": f"{blob}/docs/index.md",
                "Changelog": f"{blob}/CHANGELOG.md",
                "Source": url,
                "Issues": f"{url}/issues",
            }
        metadata["readme"] = {"content-type": "text/markdown", "text": text}
