"""Downloads the video of a task."""
