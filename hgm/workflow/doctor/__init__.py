"""The assets that a run needs and the repository cannot ship: the list of them, their checks and
downloads."""
