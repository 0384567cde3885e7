"""Building blocks of networks, and readers of others' checkpoints."""
