"""What `hgm bench --system posegaussian` times: training, novel views, the correlation."""
