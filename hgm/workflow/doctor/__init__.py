"""What a run needs that the repository cannot ship: the list of it, how it is checked, where it is
fetched from."""
