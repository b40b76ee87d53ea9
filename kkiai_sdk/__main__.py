"""Entry point of ``python -m kkiai_sdk``, the same as the ``kkiai`` command."""

from __future__ import annotations

from kkiai_sdk.cli.main import main

if __name__ == "__main__":
    raise SystemExit(main())
