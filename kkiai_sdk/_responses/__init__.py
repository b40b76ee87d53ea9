"""Pure readers of answers: tasks and errors."""
