"""A run seen from outside: its jobs, what they will cost, where they stand, and what of their files
may go."""
