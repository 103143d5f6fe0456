"""The network of the clock's sentences: shipped, as its card says, and refused where it is not."""

import shutil
from pathlib import Path

import pytest
import torch

from scoregeo._utils.errors import ConfigError, DataError
from scoregeo._utils.files import read_json, write_json
from scoregeo.dataset.sentences import Sentences
from scoregeo.dataset.sphere import Sphere
from scoregeo.score.empirical import EmpiricalScore
from scoregeo.score.mlp_model import CARD, WEIGHTS, load_mlp, mlp_model_score
from scoregeo.score.model_folder import MODELS


def test_its_score_is_near_the_exact_one_on_noisy_points() -> None:
    sample = Sentences("clock").sample(999, 0)
    torch.manual_seed(0)
    x = sample[:100] + 0.2 * torch.randn(100, 384, dtype=sample.dtype)
    found, exact = (s.score(x, 0.2) for s in (load_mlp("clock_mlp"), EmpiricalScore(sample)))
    error = float(((found - exact).norm(dim=1) / exact.norm(dim=1)).median())
    said = read_json(MODELS / "clock_mlp" / CARD)["score_error"]
    (row,) = [one for one in said if one["place"] == "shell" and one["sigma"] == 0.2]
    assert error == pytest.approx(row["relative_error"], rel=0.2)


def test_what_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"takes points \(384,\), the dataset's are \(3,\)"):
        mlp_model_score(Sphere(), 0, 0.1)
    with pytest.raises(ConfigError, match="sigma = 2 is outside"):
        mlp_model_score(Sentences(), 0, 2.0)
    with pytest.raises(DataError, match="'nowhere' is neither a folder"):
        load_mlp("nowhere")
    copy = tmp_path / "copy"
    shutil.copytree(MODELS / "clock_mlp", copy)
    card = read_json(copy / CARD)
    write_json(copy / CARD, card | {"width": 8})
    with pytest.raises(DataError, match="does not hold the weights"):
        load_mlp(str(copy))
    content = bytearray((copy / WEIGHTS).read_bytes())
    content[-3] ^= 1
    (copy / WEIGHTS).write_bytes(content)
    with pytest.raises(DataError, match=r"altered \(SHA-256"):
        load_mlp(str(copy))
    write_json(copy / CARD, {"size": 384})
    with pytest.raises(DataError, match=r"lacks width, .*sha256"):
        load_mlp(str(copy))
