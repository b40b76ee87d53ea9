"""``python -m kkiai_sdk`` is ``kkiai``."""

from __future__ import annotations

from kkiai_sdk.cli.main import main

if __name__ == "__main__":
    raise SystemExit(main())
