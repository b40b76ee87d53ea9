"""Parsers of responses: tasks and errors. Pure, without I/O."""
