"""The same faults for the SDK and for its peers, each in a process of its own against servers on loopback.

A *case* is a script for a raw-socket server, something that a *contestant* does against it, and one rule by which what
was seen is judged, the same for all. Run by ``python -m benchmarks.faults``, which writes ``docs/reliability.md``.
"""
