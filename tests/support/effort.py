"""How much is tried: `make test` tries a part of what `make test-all` tries."""

from __future__ import annotations

from hypothesis import settings

#: The Hypothesis profile of the deep lane: ``--hypothesis-profile=deep``.
DEEP = "deep"
#: A part of the examples, and the least, that are tried without it.
PART, LEAST = 10, 10

settings.register_profile(DEEP)


def examples(most: int) -> int:
    """How many examples are made up: the most in the deep lane, a tenth of them else, but 10 at least."""
    return most if settings.get_current_profile_name() == DEEP else max(most // PART, LEAST)
