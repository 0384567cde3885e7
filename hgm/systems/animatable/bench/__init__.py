"""What `hgm bench --system animatable` times: a training step, a film, the networks alone."""
