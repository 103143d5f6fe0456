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
# of `x`. Here it is the score of points on half a circle.

# %%
import math

import matplotlib.pyplot as plt
import torch

import scoregeo

angle = torch.linspace(0, math.pi, 200, dtype=torch.float64)
data = torch.stack([angle.cos(), angle.sin()], dim=1)


# %% [markdown]
# ## As a function
#
# Blurred data are a mixture of Gaussians, one at each data point. Its score points from `x` to the
# mean of the data, weighted by how near they are (Tweedie's formula).


# %%
def half_ring(x: torch.Tensor, sigma: float) -> torch.Tensor:
    """Score of the data blurred by sigma, [batch, 2]."""
    weights = (-torch.cdist(x, data).square() / (2 * sigma**2)).softmax(dim=1)
    return (weights @ data - x) / sigma**2


a, b = data[0], data[-1]
solution = scoregeo.geodesic(half_ring, a, b, sigma=0.1)
print(solution.status[0], solution.reason[0])

# %% [markdown]
# A solver finds a local minimum, and the start decides which. Compare the straight line as a start
# with one that goes through the data.

# %%
start = data[torch.linspace(0, len(data) - 1, 64).round().long()][None]
better = scoregeo.geodesic(half_ring, a, b, sigma=0.1, start=start)
energies = solution.energy.item(), better.energy.item()
print("energy from the straight line {:.1f}, from data {:.1f}".format(*energies))

# %%
figure, axes = plt.subplots(figsize=(5, 3))
axes.plot(*data.T, ".", color="0.8", label="data")
axes.plot(*solution.path[0].T, "--", label="from the straight line")
axes.plot(*better.path[0].T, label="from data")
axes.set_aspect("equal")
axes.legend()
plt.show()

# %% [markdown]
# ## As a class
#
# A subclass of `AbstractScore` has a name, settings, and may be given on the command line:
# `score._target_=mine.HalfRing score.sigma=0.1`, where `mine.py` is in the working folder.


# %%
class HalfRing(scoregeo.AbstractScore):
    """Score of points on half a circle of some radius."""

    def __init__(self, radius: float = 1.0) -> None:
        self.data = radius * data

    @property
    def shape(self) -> tuple[int, ...]:
        return (2,)

    def _score(self, x: torch.Tensor, sigma: float) -> torch.Tensor:
        weights = (-torch.cdist(x, self.data).square() / (2 * sigma**2)).softmax(dim=1)
        return (weights @ self.data - x) / sigma**2


field = scoregeo.ScoreField(HalfRing(radius=2.0), sigma=0.2)
middle = torch.tensor([[0.0, 2.0]], dtype=torch.float64)
dimension = scoregeo.intrinsic_dimension(field, middle).item()
print(f"intrinsic dimension at the middle: {dimension:.1f}")

# %% [markdown]
# ## From data, or from a network
#
# `scoregeo.EmpiricalScore(data)` is the score above, for data of any shape, evaluated in pieces
# that fit into memory. `scoregeo.load_unet_score(folder)` loads an unconditional `UNet2DModel` in
# diffusers' layout.

# %%
empirical = scoregeo.EmpiricalScore(data)
x = torch.tensor([[0.2, 0.7]], dtype=torch.float64)
print(torch.allclose(empirical.score(x, 0.1), half_ring(x, 0.1)))
