"""The script that measures a GPU, on tiny networks and the processor."""

from pathlib import Path
from typing import Any

import pytest
import torch

from scoregeo._utils.files import read_json
from scoregeo.report.model import Page


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(Path(__file__).parent.parent / "scripts"))
    import gpu_check

    return gpu_check


def test_all_three_models_on_the_processor(script: Any, tmp_path: Path) -> None:
    status = script.main(["--device", "cpu", "--tiny", "--results", str(tmp_path)])
    assert status == 0
    page = Page.from_json(read_json(tmp_path / "gpu" / "summary.json"), "summary.json")
    assert (tmp_path / "gpu" / "table.md").is_file()
    rows = {row.labels["model"]: row.cells for row in page.tables[0].rows}
    assert list(rows) == ["Stable Diffusion 1.5", "Stable Diffusion XL", "Stable Diffusion 3"]
    for name, cells in rows.items():
        values = {key: cell.mean for key, cell in cells.items()}  # type: ignore[union-attr]
        assert values["float32"] < 1e-5  # the same device, in other batches
        assert 1e-5 < values["half"] < 0.2, name
        assert values["ratio"] == pytest.approx(
            values["geodesic_seconds"] / values["sampling_seconds"], rel=0.02
        )
        assert values["evaluations"] > 1 and 0 < values["sampling_gib"] < 1


def test_a_difference_above_the_tolerance_is_an_error(
    script: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    cell = script.Estimate(2 * script.TOLERANCE)
    monkeypatch.setattr(script, "_cells", lambda *_: {"float32": cell})
    assert script.main(["--device", "cpu", "--tiny"]) == 2


def test_without_a_gpu_one_line_says_so(
    script: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr("torch.backends.mps.is_available", lambda: False)
    for device in ("auto", "cuda"):
        assert script.main(["--device", device]) == 1
        said = capsys.readouterr().err
        assert "no GPU" in said and said.count("\n") == 1


@pytest.mark.parametrize("number", range(3))
def test_the_full_sizes_are_those_of_the_published_models(script: Any, number: int) -> None:
    """Millions of parameters, of the published weights; counted without making any."""
    model = script.MODELS[number]
    with torch.device("meta"):
        network = model.network(tiny=False)
    count = sum(parameter.numel() for parameter in network.parameters())
    assert count / 1e6 == pytest.approx((859.52, 2567.46, 2028.33)[number], abs=0.01)


def test_the_solver_alone_in_high_dimension(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The same solve in every dimension, and memory of a few paths in float64."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent.parent / "scripts"))
    import high_dimension

    high_dimension.main(["--tiny", "--results", str(tmp_path)])
    page = Page.load(tmp_path / "high_dimension")
    cells = [row.cells for row in page.tables[0].rows]
    values = [{key: cell.mean for key, cell in row.items()} for row in cells]  # type: ignore[union-attr]
    assert [row["numbers"] for row in values] == [1024, 256, 2048, 12288]
    assert len({row["evaluations"] for row in values}) == 1 and values[0]["evaluations"] > 2
    paths = [row["own_megabytes"] * 2**20 / (9 * 8 * row["numbers"]) for row in values]
    assert all(2 < count < 12 for count in paths)
    assert max(paths) < 1.1 * min(paths)  # it grows as the dimension
