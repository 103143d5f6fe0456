"""Riemannian geometry of a diffusion model's score.

A diffusion model knows the score `s(x, sigma) = grad_x log p_sigma(x)` of its data blurred by
Gaussian noise. From the score alone one has the metric

    g(x) = I + lam s(x) s(x)^T,

in which leaving the data is expensive. This package computes its geodesics and the operations that
follow from them.

    import torch, scoregeo

    score = scoregeo.SphereScore(dimension=2, ambient=3)
    a, b = torch.eye(3, dtype=torch.float64)[:2]
    solution = scoregeo.geodesic(score, a, b, sigma=0.05)
    solution.path, solution.length, solution.status     # [1, 64, 3], [1], ("converged",)

Scores        `SphereScore`, `TorusScore`, `EmpiricalScore`, `load_unet_score`, `FunctionScore` for
              a function of your own; `ScoreField` is a score at one noise level.
Metrics       `SteinMetric` (above), `ConformalMetric`, `PullbackMetric`, `EuclideanMetric`.
Solvers       `GaussNewton`, `StringMethod`, `LBFGS`, `Georce`, `Adam`; each returns a `Solution`.
Geometry      `geodesic`, `distance`, `distance_matrix`, `exponential`, `logarithm`,
              `parallel_transport`, `extrapolate`, `frechet_mean`, `sectional_curvature`,
              `intrinsic_dimension`.
Paths         `linear`, `spherical`.
Pictures      `GeodesicPipeline`: pictures or prompts in, the frames of a morph out
              (`GeodesicOutput`).
Memory        `memory_limit`: pairs that do not fit are solved one batch after another.
Errors        `ScoregeoError`, of which `ConfigError`, `DataError`, `ScoreError` and
              `StorageError` are.

Points are [batch, *shape], paths [pairs, points, *shape], in data units and variance-exploding
coordinates `x = x0 + sigma z`. Costs are stated in score evaluations: one point, one evaluation.
Names are imported on first use. The subpackages `dataset`, `baseline`, `extrapolation`,
`initializer`, `inversion`, `evaluation` and `tracker` hold what an experiment is made of;
`scoregeo --help` describes the command line.
"""

import lazy_loader as _lazy

__version__ = "0.3.0"

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)
