"""Number of Hypothesis examples: `make test` runs a part of those of `make test-all`."""

from __future__ import annotations

from hypothesis import settings

#: The Hypothesis profile of the deep lane: ``--hypothesis-profile=deep``.
DEEP = "deep"
#: A part of the examples, and the least, that are tried without it.
PART, LEAST = 10, 10

settings.register_profile(DEEP)


def examples(most: int) -> int:
    """Return the number of examples: ``most`` in the deep profile, else a tenth of it, at least 10."""
    return most if settings.get_current_profile_name() == DEEP else max(most // PART, LEAST)
