"""Paths of latents as pictures, each pair under its own prompts."""

from collections.abc import Callable, Mapping, Sequence

import torch

from scoregeo.inversion.latent import clean_latents
from scoregeo.run.experiment import Experiment
from scoregeo.run.kept_outcome import KeptPairs
from scoregeo.score.text_to_image import TextModel


class LatentPictures:
    """Decodes paths of pairs, as many together as `together` says of a number of points. The ends,
    the same of every noisy method, are decoded once.

    `prompts`: two a pair; `lifted`: from a pair's number to its ends at the noise level, [2,
    *shape]; `kept`: where pictures of an unfinished method are kept, in a run's folder.
    """

    def __init__(
        self,
        experiment: Experiment,
        model: TextModel,
        prompts: Sequence[tuple[str, str]],
        lifted: Callable[[int], torch.Tensor],
        together: Callable[[int], Sequence[range]],
    ) -> None:
        self.experiment, self.model, self.prompts = experiment, model, prompts
        self.lifted, self.together = lifted, together
        self.kept: KeptPairs | None = None
        self._ends: dict[int, torch.Tensor] = {}

    @torch.no_grad()
    def of(self, path: torch.Tensor, noisy: bool, at: torch.Tensor | None = None) -> torch.Tensor:
        """The pictures of paths [pairs, points, *shape], which are `noisy` or clean, `at` these
        fractions of their way [pairs, points]: [pairs, points, 3, H, W].
        """
        pairs, points = path.shape[:2]
        u = (torch.linspace(0, 1, points).expand(pairs, -1) if at is None else at).to(path.device)
        found = []
        for group in self.together(points):
            rows = slice(group.start, group.stop)
            key = (path[rows], u[rows], noisy, list(self.prompts[rows]))
            pictures = None if self.kept is None else self.kept.pictures(*key)
            if pictures is None:
                pictures = self._of_group(group, path, noisy, u)
                if self.kept is not None:
                    self.kept.keep_pictures(pictures, *key)
            found.append(pictures.to(path.device))
        return torch.cat(found)

    def _of_group(
        self, group: range, path: torch.Tensor, noisy: bool, u: torch.Tensor
    ) -> torch.Tensor:
        """The pictures of the pairs `group` of all paths, [len(group), points, 3, H, W]."""
        if not noisy:
            pictures = self.model.decode(path[group.start : group.stop].flatten(0, 1))
            return pictures.unflatten(0, (len(group), path.shape[1]))
        shared = [index for index in group if self._shares(index, path[index])]
        self._decode_ends([index for index in shared if index not in self._ends])
        inner = self._decoded({index: path[index, 1:-1] for index in shared}, u[:, 1:-1])
        whole = self._decoded({i: path[i] for i in group if i not in shared}, u)
        for index in shared:
            first, last = self._ends[index].split(1)
            whole[index] = torch.cat([first, inner[index], last])
        return torch.stack([whole[index] for index in group])

    def _decode_ends(self, unknown: Sequence[int]) -> None:
        """The pictures of these pairs' ends at the noise level."""
        if not unknown:
            return
        latents = {index: self.lifted(index) for index in unknown}
        u = torch.tensor([[0.0, 1.0]]).expand(len(self.prompts), 2)
        self._ends |= self._decoded(latents, u.to(latents[unknown[0]].device))

    def _decoded(
        self, latents: Mapping[int, torch.Tensor], u: torch.Tensor
    ) -> dict[int, torch.Tensor]:
        """By pair, the pictures of its noisy `latents` [points, *shape] at the fractions `u`
        [pairs, points] of its path, in one batch.
        """
        if not latents:
            return {}
        points = torch.cat(list(latents.values()))
        prompts, at = [self.prompts[index] for index in latents], [u[index] for index in latents]

        def clean() -> torch.Tensor:
            return clean_latents(self.model, self.experiment.inversion, points, prompts, at)

        found = self.experiment.work.tensor("decoded", clean, prompts, *at, points)
        pictures = self.model.decode(found).split([len(one) for one in latents.values()])
        return dict(zip(latents, pictures, strict=True))

    def _shares(self, index: int, points: torch.Tensor) -> bool:
        """Whether a path's ends are the pair's own at the noise level."""
        return len(points) >= 3 and torch.equal(points[[0, -1]], self.lifted(index))
