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
# # Geodesics on a sphere
#
# Data on the unit sphere, blurred by noise of standard deviation σ, have a score in closed form. It
# is all that the metric knows of the sphere. This tutorial computes a geodesic, compares it with
# the great circle, and uses it for distances, curvature and parallel transport. It runs in seconds.

# %%
import math

import matplotlib.pyplot as plt
import torch

import scoregeo

score = scoregeo.SphereScore(dimension=2, ambient=3)
a, b = torch.eye(3, dtype=torch.float64)[:2]

# %% [markdown]
# ## A geodesic in one call
#
# `geodesic` takes a score, two points and a noise level. The metric is `g(x) = I + λ s(x) s(x)ᵀ`
# with λ = 1000; the solver is Gauss-Newton with adaptive refinement.

# %%
solution = scoregeo.geodesic(score, a, b, sigma=0.05)
path = solution.path[0]
print("status:", solution.status[0])
print("score evaluations per point:", round(solution.score_evaluations.item() / len(path)))


# %%
def length(points: torch.Tensor) -> float:
    """Euclidean length of a path [points, 3]."""
    return points.diff(dim=0).norm(dim=1).sum().item()


line = scoregeo.linear(torch.stack([a, b])[None], 64)[0]
for name, curve in (("straight line", line), ("geodesic", path)):
    off = (1 - curve.norm(dim=1)).abs().max().item()
    error = length(curve) / (math.pi / 2) - 1
    print(f"{name:14} length error {error:+.1%}, greatest distance from the sphere {off:.3f}")

# %% [markdown]
# The geodesic follows the sphere where the straight line cuts through it.

# %%
figure, axes = plt.subplots(figsize=(4, 4))
axes.add_patch(plt.Circle((0, 0), 1, fill=False, color="0.7"))
axes.plot(*line[:, :2].T, "--", label="straight line")
axes.plot(*path[:, :2].T, label="geodesic")
axes.set(aspect="equal", xlim=(-0.1, 1.1), ylim=(-0.1, 1.1))
axes.legend()
plt.show()

# %% [markdown]
# ## The weight of the score
#
# With λ = 0 the metric is flat and the geodesic straight; the larger λ, the nearer the sphere.

# %%
for lam in (0.1, 1, 10, 100, 1000):
    found = scoregeo.geodesic(score, a, b, sigma=0.05, lam=lam).path[0]
    print(f"lam {lam:6g}: length error {length(found) / (math.pi / 2) - 1:+.2%}")

# %% [markdown]
# ## Distances
#
# The angle between two points is their distance on the sphere. `distance_matrix` solves each pair
# once.

# %%
metric = scoregeo.SteinMetric(scoregeo.ScoreField(score, sigma=0.1), lam=100.0)
solver = scoregeo.GaussNewton(num_points=33, max_subnodes=4)
angles = torch.tensor([0.0, 0.5, 1.0, 1.5], dtype=torch.float64)
points = torch.stack([angles.cos(), angles.sin(), 0 * angles], dim=1)
print("true:    ", angles.tolist())
distances = scoregeo.distance_matrix(metric, points, solver)[0]
print("computed:", [round(d, 2) for d in distances.tolist()])

# %% [markdown]
# ## Curvature
#
# The sectional curvature of the unit sphere is 1. The metric is one of the whole space; its
# curvature in the plane tangent to the sphere is near that of the sphere where the points are on
# the ridge of the blurred density, a little inside the sphere.

# %%
x, y, z = torch.eye(3, dtype=torch.float64)[:, None]
curvature = scoregeo.sectional_curvature(metric, x, y, z).item()
print(f"curvature in the tangent plane at x: {curvature:.2f}")

# %% [markdown]
# ## Exponential map, logarithm, transport
#
# The logarithm is the velocity with which a geodesic leaves one point to be at another after unit
# time; the exponential map follows that velocity; parallel transport carries a vector along and
# keeps its length. The logarithm's `residual` is how far from the other point its geodesic ends:
# where that is not small, the status says so. `stalled` means here that no step makes the residual
# smaller.

# %%
log = scoregeo.logarithm(metric, x, y, solver)
print(f"{log.status[0]}: arrives within {log.residual.item():.0e} of y")

flow = scoregeo.exponential(metric, x, log.velocity, points=17)
print("score evaluations of the exponential map:", flow.score_evaluations.item())

moved = scoregeo.parallel_transport(metric, flow.path, log.velocity)
print("of the transport:", moved.score_evaluations.item())
speeds = metric.norm(x, log.velocity).item(), metric.norm(y, moved.end).item()
print("speed before and after: {:.4f}, {:.4f}".format(*speeds))

# %% [markdown]
# ## The same from the command line
#
# ```bash
# scoregeo experiment=sphere dataset.num_pairs=2
# ```
#
# adds baselines, other solvers, statistics and figures, and keeps everything in a run folder.
