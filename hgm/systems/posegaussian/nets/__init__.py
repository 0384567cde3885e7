"""The building blocks of the network: encoders, stereo matching, maps of Gaussians."""
