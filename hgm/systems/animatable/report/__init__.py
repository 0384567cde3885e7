"""The report of a run of avatars."""
