"""The back-view branch (paper section 3.5): a ControlNet that turns a coarse back view into a sharp
one.

`small_base` trains the demo's own latent diffusion base, `base` opens that or Stable Diffusion 1.5,
`pairs` makes the training pairs, `controlnet` trains on them, `refiner` refines a render. diffusers
is imported only where it is used.
"""
