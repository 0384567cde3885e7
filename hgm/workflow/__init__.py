"""A run as a whole: its configuration, plan, state and cost, its environments, and which of its
files may be deleted."""
