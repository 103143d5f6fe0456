# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Your own score
#
# Any function `(x, sigma) -> s` serves: `x` is `[batch, *shape]` in variance-exploding coordinates
# `x = x₀ + σ z`, `sigma` the noise level in data units, and the result `∇ log p_σ(x)`, of the shape
# of `x`. Here it is the score of points on a ring.

# %%
import math

import matplotlib.pyplot as plt
import torch

import scoregeo

angle = torch.arange(400, dtype=torch.float64) * (2 * math.pi / 400)
data = torch.stack([angle.cos(), angle.sin()], dim=1)


# %% [markdown]
# ## As a function
#
# Blurred data are a mixture of Gaussians, one at each data point. Its score points from `x` to the
# mean of the data, weighted by how near they are (Tweedie's formula). torch must be able to
# differentiate it where derivatives are asked for, as the intrinsic dimension below does.


# %%
def ring(x: torch.Tensor, sigma: float) -> torch.Tensor:
    """Score of the data blurred by sigma, [batch, 2]."""
    squares = (x[:, None] - data).square().sum(dim=2)
    weights = (-squares / (2 * sigma**2)).softmax(dim=1)
    return (weights @ data - x) / sigma**2


a, b = data[0], data[127]  # two radians apart
found = scoregeo.geodesic(ring, a, b, sigma=0.1)
print(found.status[0], found.reason[0])
path = found.path[0]
line = scoregeo.linear(torch.stack([a, b])[None], 64)[0]
for name, curve in (("straight line", line), ("geodesic", path)):
    print(f"{name:14} length {curve.diff(dim=0).norm(dim=1).sum().item():.2f}")

# %%
figure, axes = plt.subplots(figsize=(4, 4))
axes.plot(*data.T, ".", markersize=2, color="0.7", label="data")
axes.plot(*line.T, "--", label="straight line")
axes.plot(*path.T, label="geodesic")
axes.set_aspect("equal")
axes.legend()
plt.show()

# %% [markdown]
# `status` says for each pair how the solver ended, `reason` why where it is not `converged`. A path
# that is `stalled` or `out_of_budget` is not a geodesic yet: take another start, a solver with more
# iterations, or a smaller `lam`.
#
# A solver finds a local minimum, and its start decides which. Here the straight line is enough.
# Where it is not, give `geodesic` data: `starts=("lerp", "graph"), references=data`, or a path of
# your own, `start=path`, `[pairs, points, *shape]`.
#
# The noise level decides what the score sees. It must be above the distance between neighbouring
# data, or paths run through the gaps, and below the size of the features that are to be followed.
# For samples on the command line there is
# [a rule](../explanation/solver.html#noise-level-by-a-rule).
#
# ## As a class
#
# A subclass of `AbstractScore` has a name and settings, and may be given on the command line,
# where `mine.py` is in the working folder. A setting that the replaced score does not have takes
# `+`:
#
#     scoregeo dataset.dimension=1 dataset.ambient=2 \
#       score._target_=mine.Ring score.sigma=0.1 +score.radius=1.0


# %%
class Ring(scoregeo.AbstractScore):
    """Score of points on a circle of some radius."""

    def __init__(self, radius: float = 1.0) -> None:
        self.radius = radius

    @property
    def shape(self) -> tuple[int, ...]:
        return (2,)

    def _score(self, x: torch.Tensor, sigma: float) -> torch.Tensor:
        return ring(x / self.radius, sigma / self.radius) / self.radius


field = scoregeo.ScoreField(Ring(radius=2.0), sigma=0.1)
point = torch.tensor([[0.0, 2.0]], dtype=torch.float64)
dimension = scoregeo.intrinsic_dimension(field, point).item()
print(f"intrinsic dimension: {dimension:.2f}")

# %% [markdown]
# ## From data, or from a network
#
# `scoregeo.EmpiricalScore(data)` is the score above, for data of any shape, evaluated in pieces
# that fit into memory. `scoregeo.load_unet_score(folder)` loads an unconditional `UNet2DModel` in
# diffusers' layout.

# %%
empirical = scoregeo.EmpiricalScore(data)
x = torch.tensor([[0.2, 0.7]], dtype=torch.float64)
print(torch.allclose(empirical.score(x, 0.1), ring(x, 0.1)))
