"""The ends of a morph, shown before its methods begin."""

import logging
from pathlib import Path

from scoregeo.evaluation.image import psnr
from scoregeo.evaluation.picture_path import poor_end
from scoregeo.report.style import as_pictures
from scoregeo.run.artifacts import write_png
from scoregeo.run.folder_state import FIRST, LAST
from scoregeo.run.problem.latent import LatentProblem

log = logging.getLogger(__name__)


def show_ends(problem: LatentProblem, folder: Path) -> None:
    """Write the first and the last frame of a run of one pair, and warn where they are not the
    given pictures. Nothing for runs of several pairs, or without an inversion.
    """
    if len(problem.pairs) != 1 or not problem.noisy:
        return
    ends = problem.decode(problem.parts[0].lifted)[0]
    for name, picture in zip((FIRST, LAST), as_pictures(ends, "ends"), strict=True):
        write_png(folder / name, picture)
    log.info("first frame: %s", folder / FIRST)
    given = problem.pairs.ends[0]
    alone = problem.model.decode(problem.parts[0].clean[0]).cpu()
    for name, back, codec in zip(
        ("the first picture", "the second picture"),
        psnr(ends.cpu(), given).tolist(),
        psnr(alone, given).tolist(),
        strict=True,
    ):
        if warning := poor_end(name, back, codec):
            log.warning(warning)
