"""The commands that the documentation gives for MorphBench, AFHQ and CelebA-HQ run on folders of
their layouts.
"""

import shlex
from pathlib import Path

import pytest

from scoregeo._utils.files import read_json
from tests.commands import PLAIN, run_here
from tests.dataset.test_image_pairs import afhq, celeba_hq, morphbench
from tests.docs import ROOT
from tests.score.tiny_sd import save_tiny_sd

SMALL = (
    *PLAIN,
    "dataset.size=16",
    "baseline=[lerp]",
    "rivals.adam=null",
    "solver.num_points=3",
    "solver.max_iterations=1",
    "inversion.decode_steps=2",
    "inversion.rounds=1",
    "evaluation.lpips=null",
    "evaluation.network=null",
    "evaluation.feature_distance=false",
    "evaluation.certify_subnodes=1",
)
FOLDERS = {"MorphBench": morphbench, "afhq": afhq, "celeba_hq": celeba_hq}
GROUPS = {
    "MorphBench": {"Animation", "Metamorphosis"},
    "afhq": {"cat", "dog", "wild"},
    "celeba_hq": {"all"},
}


def documented(folder: str) -> list[str]:
    """The overrides of the command that docs/howto/pictures.md gives for a folder."""
    text = (ROOT / "docs" / "howto" / "pictures.md").read_text(encoding="utf-8")
    lines = [one for one in text.splitlines() if one.startswith("scoregeo experiment=stable_")]
    (line,) = [one for one in lines if f"dataset.root={folder}" in one]
    return shlex.split(line)[1:]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(save_tiny_sd(tmp_path_factory.mktemp("model"), "sd2", tokens=40))


@pytest.mark.parametrize("folder", FOLDERS)
def test_documented_command(folder: str, model: str, tmp_path: Path) -> None:
    FOLDERS[folder](tmp_path / folder)
    overrides = [one.replace(f"={folder}", f"={tmp_path / folder}") for one in documented(folder)]
    overrides = [one.replace("pairs=100", "pairs=3") for one in overrides]
    run, reason = run_here([*overrides, *SMALL, f"score.model={model}"], tmp_path / "outputs")
    assert reason is None
    rows = read_json(run / "summary.json")["rows"]
    assert {row["group"] for row in rows} - {"all"} == GROUPS[folder] - {"all"}
    assert read_json(run / "manifest.json")["pairs"] == (4 if folder == "MorphBench" else 3)
