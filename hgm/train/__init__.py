"""Training of any network: the loop, its state, its batches and the processes that share it."""
