"""Textured scans of people: finding their files, checking them, reading them, and the frame they
are rendered in."""
