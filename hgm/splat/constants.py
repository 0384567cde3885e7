"""The numbers that fix what a picture is (3D Gaussian splatting). Every backend on a CPU uses
exactly these."""

BLUR = 0.3  # pixels^2 added to both variances of a projected Gaussian
ALPHA_MAX = 0.99  # a Gaussian hides at most this share of what lies behind it
ALPHA_MIN = 1.0 / 255.0  # below it a Gaussian leaves a pixel alone
# a pixel is finished before the Gaussian that would take its transmittance to this or less
T_MIN = 1e-4
NEAR = 0.01  # Gaussians nearer than this (planar depth, world units) are not drawn
# of the image size: how far outside the image the Jacobian of the projection still moves with the
# mean
MARGIN = 0.15
LARGEST = 1e10  # a Gaussian with a number that is larger, or not finite, is not drawn
SHORTEST = 1e-30  # a Gaussian with a quaternion of a smaller squared length is not drawn
SLACK = 1e-3  # pixels by which a bounding box is wider than exact arithmetic needs
