"""Downloading the video of a task."""
