"""MonoGaussianAvatar (SIGGRAPH 2024): a head avatar from one portrait video."""
