"""A run as a whole: its configuration, plan, state, cost, environments and what may go of it."""
