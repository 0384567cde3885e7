"""What `hgm bench --system monogaussian` times: training, films, the deformation."""
