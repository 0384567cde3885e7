"""The shape of a body of known pose from its vertices, whichever body model made them."""

from __future__ import annotations

import torch
from torch import Tensor

from hgm.body.model import BodyModel
from hgm.body.parameters import BodyParameters


def fit_shape(
    model: BodyModel, params: BodyParameters, vertices: Tensor
) -> tuple[BodyParameters, Tensor]:
    """The betas and expression, of the widths in `params`, and the shift [3] with which the posed
    body comes nearest to vertices [10475, 3], in meters.

    With the rotations held, skinning is affine in shape and expression, so this is one linear
    least-squares problem; where both models are the same the answer is exact.
    """
    widths = params.betas.shape[-1], params.expression.shape[-1]
    units = torch.eye(sum(widths), device=params.betas.device)
    steps = torch.cat([torch.zeros_like(units[:1]), units])
    batch = params.expand(len(steps)).replace(
        betas=steps[:, : widths[0]], expression=steps[:, widths[0] :]
    )
    with torch.no_grad():
        bodies = model(batch).vertices.double().cpu()
    columns = torch.cat(
        [
            (bodies[1:] - bodies[0]).flatten(1).T,
            torch.eye(3, dtype=torch.float64).repeat(len(vertices), 1),
        ],
        1,
    )
    found = torch.linalg.lstsq(columns, (vertices.double() - bodies[0]).reshape(-1, 1)).solution[
        :, 0
    ]
    betas, expression, shift = found.split([*widths, 3])
    return params.replace(
        betas=betas.to(params.betas), expression=expression.to(params.expression)
    ), shift
