"""The same faults for the SDK and its peers, each in a separate process against servers on loopback.

A case is a fault that a raw-socket server plays, an action of a library against it, and one rule by which the
observation is judged, the same for all libraries.
"""

#: Must appear nowhere but in the Authorization field.
KEY = "sk-canary-0123456789abcdef"
TASK = "task-0123456789abcdef"
