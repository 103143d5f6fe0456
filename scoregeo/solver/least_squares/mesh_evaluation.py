"""Evaluates residuals on meshes, each node's score once."""

from collections.abc import Sequence

import torch

from scoregeo._utils.errors import ScoreError
from scoregeo.metric.least_squares import LeastSquares
from scoregeo.score.boundary import check_dtype
from scoregeo.solver.least_squares.evaluation import AbstractEvaluation, Trials, log
from scoregeo.solver.least_squares.mesh import Mesh, total_evaluations
from scoregeo.solver.least_squares.mesh_residuals import MeshResiduals, PathResiduals

# A path [points, *shape], and its residuals
Known = tuple[torch.Tensor, PathResiduals]


class MeshEvaluation(AbstractEvaluation[MeshResiduals]):
    """Residuals of a batch of paths, each on its own of `meshes`: the nodes of all in one batch of
    forward evaluations. The score is taken for a gradient field.

    `known`: for each pair a path whose scores are known, or None; nodes of the start that it has
    are not evaluated.
    """

    def __init__(
        self, energy: LeastSquares, meshes: Sequence[Mesh], known: Sequence[Known | None]
    ) -> None:
        self.energy, self.meshes, self.known = energy, list(meshes), list(known)

    def start(self, path: torch.Tensor) -> tuple[MeshResiduals, torch.Tensor]:
        nodes = [mesh.nodes(one.flatten(1)) for mesh, one in zip(self.meshes, path, strict=True)]
        scores = [one.new_zeros(one.shape, dtype=torch.float64) for one in nodes]
        missing = [torch.ones(len(one), dtype=torch.bool) for one in nodes]
        for row, known in enumerate(self.known):
            if known is not None:
                old, residuals = known
                others = residuals.mesh.nodes(old.flatten(1))
                here, there = self.meshes[row].known(nodes[row], residuals.mesh, others)
                scores[row][here.to(path.device)] = residuals.scores[there.to(path.device)]
                missing[row][here] = False
        # Numbers, not masks: those would be read back from the device to count them
        left = [mask.nonzero()[:, 0].to(path.device) for mask in missing]
        wanted = [one[numbers] for one, numbers in zip(nodes, left, strict=True)]
        for row, found in enumerate(self._scores(wanted, path.shape[2:])):
            scores[row][left[row]] = found
        spent = torch.tensor([int(mask.sum()) for mask in missing])
        return MeshResiduals(
            [_residuals(*each) for each in zip(self.meshes, path, scores, strict=True)]
        ), spent

    def trial(
        self,
        paths: torch.Tensor,
        pairs: torch.Tensor,
        before: MeshResiduals,
        lam: torch.Tensor,
        bound: torch.Tensor,
    ) -> Trials[MeshResiduals]:
        meshes = [self.meshes[pair] for pair in pairs.tolist()]
        nodes = [mesh.nodes(one.flatten(1)) for mesh, one in zip(meshes, paths, strict=True)]
        finite = torch.ones(len(paths), dtype=torch.bool, device=paths.device)
        spent, shape = total_evaluations(meshes), paths.shape[2:]
        try:
            scores = self._scores(nodes, shape)
            every = [_residuals(*each) for each in zip(meshes, paths, scores, strict=True)]
            return Trials(MeshResiduals(every), finite, spent)
        except ScoreError as error:
            log.debug("a trial step met a bad score (%s): each pair is tried by itself.", error)
        found = before.at(pairs)
        for row, mesh in enumerate(meshes):
            try:
                (scores_of_one,) = self._scores(nodes[row : row + 1], shape)
                found.every[row] = _residuals(mesh, paths[row], scores_of_one)
            except ScoreError:
                finite[row] = False
        return Trials(found, finite, spent)

    def _scores(
        self, nodes: Sequence[torch.Tensor], shape: Sequence[int]
    ) -> tuple[torch.Tensor, ...]:
        """Scores at each path's nodes [nodes, D], float64, by one call."""
        points = torch.cat(list(nodes))
        if len(points) == 0:
            return tuple(one.double() for one in nodes)
        found = check_dtype(self.energy.field(points.reshape(-1, *shape)), points)
        scores = found.flatten(1).double()
        return scores.split([len(one) for one in nodes])


def _residuals(mesh: Mesh, path: torch.Tensor, scores: torch.Tensor) -> PathResiduals:
    return PathResiduals(mesh, path.flatten(1).double().diff(dim=0), scores)
