"""The report of a run of MonoGaussianAvatar: its tables, and the sections of its page."""
