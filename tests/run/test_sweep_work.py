"""What jobs of a sweep share: computed once, and to the last bit what a run by itself computes."""

import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import UNet2DConditionModel

from scoregeo._utils.errors import ScoreError, StorageError
from scoregeo._utils.files import load_tensors, load_yaml, read_json
from scoregeo._utils.jobs import COMMON
from scoregeo.baseline.base import AbstractBaseline, BaselinePath, Ends
from scoregeo.run.command import compose
from scoregeo.run.problem.outcome import Outcome
from scoregeo.run.sweep_work import SweepWork, sharing, sweep_work
from scoregeo.score.base import AbstractScore, CountingScore
from scoregeo.score.field import ScoreField
from scoregeo.score.sphere import SphereScore
from scoregeo.solver.gauss_newton import GaussNewton
from tests.commands import PLAIN, TINY, command, small_model
from tests.run.test_picture_runs import places, tiny  # noqa: F401  a fixture
from tests.tables import tables

SMALL = (*PLAIN, "dataset.num_pairs=2", "solver.num_points=8", "rivals=null")
X = torch.arange(6.0).view(2, 3) / 7


class Counted:
    """A computation that counts its calls."""

    def __init__(self, value: torch.Tensor = X) -> None:
        self.calls, self.value = 0, value

    def __call__(self) -> torch.Tensor:
        self.calls += 1
        return self.value.sin()


def test_an_equal_key_is_computed_once(tmp_path: Path) -> None:
    compute = Counted()
    for _ in range(2):  # another job has an object of its own
        found = SweepWork(tmp_path, {"seed": 0}).tensor("decoded", compute, "a", X)
        assert torch.equal(found, X.sin())
    assert compute.calls == 1


@pytest.mark.parametrize(
    "other",
    [
        lambda folder: (SweepWork(folder, {"seed": 1}), ("a", X)),
        lambda folder: (SweepWork(folder, {"seed": 0}).within("prompt"), ("a", X)),
        lambda folder: (SweepWork(folder, {"seed": 0}), ("b", X)),
        lambda folder: (SweepWork(folder, {"seed": 0}), ("a", X + 1e-7)),
        lambda folder: (SweepWork(folder, {"seed": 0}), ("a", X.double())),
        lambda folder: (SweepWork(), ("a", X)),
    ],
)
def test_another_is_computed_by_itself(
    other: Callable[[Path], tuple[SweepWork, tuple[Any, ...]]], tmp_path: Path
) -> None:
    compute = Counted()
    SweepWork(tmp_path, {"seed": 0}).tensor("decoded", compute, "a", X)
    work, key = other(tmp_path)
    work.tensor("decoded", compute, *key)
    assert compute.calls == 2


def test_a_damaged_file_is_made_again(tmp_path: Path) -> None:
    compute, work = Counted(), SweepWork(tmp_path)
    work.tensor("decoded", compute, X)
    (file,) = tmp_path.rglob("*.safetensors")
    whole = file.read_bytes()
    at = whole.index(X.sin().numpy().tobytes())  # a bit of a number: header and length are right
    flipped = whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :]
    for calls, damaged in enumerate((b"half", flipped), start=2):
        file.write_bytes(damaged)
        for _ in range(2):
            assert torch.equal(work.tensor("decoded", compute, X), X.sin())
            assert compute.calls == calls


def test_what_cannot_be_kept_is_given_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, tensors: Mapping[str, torch.Tensor]) -> None:
        raise StorageError(str(path), "No space left on device")

    monkeypatch.setattr("scoregeo.run.sweep_work.save_checked", full)
    compute, work = Counted(), SweepWork(tmp_path)
    for _ in range(2):
        assert torch.equal(work.tensor("decoded", compute, X), X.sin())
    (tmp_path / "file").touch()
    SweepWork(tmp_path / "file").tensor("decoded", compute, X)  # no folder can be there
    assert compute.calls == 3


def test_who_comes_second_waits_for_the_first(tmp_path: Path) -> None:
    begun, end, calls = threading.Event(), threading.Event(), []

    def slow() -> torch.Tensor:
        calls.append(threading.current_thread().name)
        begun.set()
        end.wait(20)
        return X.sin()

    found: list[torch.Tensor] = []

    def job() -> None:
        found.append(SweepWork(tmp_path).tensor("decoded", slow, X))

    first, second = threading.Thread(target=job), threading.Thread(target=job)
    first.start()
    assert begun.wait(20)
    second.start()
    end.set()
    for thread in (first, second):
        thread.join(20)
    assert len(calls) == 1 and len(found) == 2 and torch.equal(*found)


def test_paths_that_cost_nothing_are_not_kept(tmp_path: Path) -> None:
    def outcome(evaluations: int) -> Outcome:
        none = torch.zeros(2, dtype=torch.int64)
        return Outcome(X, True, ("converged",) * 2, none, none + evaluations, none, 1.5)

    work, made = SweepWork(tmp_path), []
    for evaluations in (0, 0, 7, 7):
        found = work.outcome(
            lambda n=evaluations: made.append(n) or outcome(n),  # type: ignore[misc]
            evaluations,
        )
        assert torch.equal(found.path, X) and found.status == ("converged",) * 2
        assert int(found.score_evaluations[0]) == evaluations and found.seconds == 1.5
    assert made == [0, 0, 7]


class Learned(AbstractScore):
    """`f(x)`, and how often it was asked for."""

    shape, learned = (3,), True

    def __init__(self, f: Callable[[torch.Tensor], Any]) -> None:
        self.f, self.calls = f, 0

    def _score(self, x: torch.Tensor, sigma: float) -> torch.Tensor:
        self.calls += 1
        return self.f(x)  # type: ignore[no-any-return]


def shared_field(folder: Path, score: AbstractScore) -> ScoreField:
    return SweepWork(folder, "score").field(ScoreField(CountingScore(score), 0.5))


def test_a_network_s_scores_are_shared_where_paths_are_measured(tmp_path: Path) -> None:
    score = Learned(torch.sin)
    for computed in (1, 0):  # by the first job and by the second
        field, score.calls = shared_field(tmp_path, score), 0
        for _ in range(3):
            field(X)  # a solver's own
        with sharing(field):
            assert torch.equal(field(X), X.sin())
        assert score.calls == 3 + computed
        assert isinstance(field.score, CountingScore)
        assert field.score.count == 4 * len(X)  # whether it was evaluated or read
        with sharing(field):
            for _, product in (field.jvp(X, torch.ones_like(X)), field.vjp(X, torch.ones_like(X))):
                torch.testing.assert_close(product, X.cos())
        assert score.calls == 5 + computed
    exact = ScoreField(CountingScore(SphereScore(dimension=2, ambient=3)), 0.5)
    assert SweepWork(tmp_path).field(exact) is exact


def test_a_shared_score_is_checked_as_one_by_itself(tmp_path: Path) -> None:
    for job in range(2):
        field = shared_field(tmp_path / "half", Learned(lambda x: x.bfloat16()))
        with sharing(field):
            assert torch.equal(field(X), X.bfloat16().float()), job
    for wrong in (lambda x: None, lambda x: x * 1j, lambda x: x[:1], lambda x: x * torch.nan):
        field = shared_field(tmp_path / "wrong", Learned(wrong))
        with sharing(field), pytest.raises(ScoreError):
            field(X)


@pytest.fixture
def forwards(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The batch of each call of a text-to-image model's network."""
    calls: list[int] = []
    own = UNet2DConditionModel.forward

    def counted(self: Any, sample: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        calls.append(len(sample))
        return own(self, sample, *args, **kwargs)

    monkeypatch.setattr(UNet2DConditionModel, "forward", counted)
    return calls


def runs(output: Path, name: str) -> dict[float, Path]:
    """The folders of finished runs by their lambda."""
    found = (path.parent for path in output.glob(f"{name}/*/manifest.json"))
    own = [path for path in found if not path.is_symlink()]
    return {_lam(path): path for path in own}


def _lam(run: Path) -> float:
    return float(load_yaml(run / "config.yaml")["metric"]["lam"])


def test_a_sweep_over_lambda_inverts_decodes_and_runs_baselines_once(
    tmp_path: Path,
    places: dict[str, str],  # noqa: F811
    forwards: list[int],
) -> None:
    given = [*tiny("morph", places), "evaluation.figures=false", "baseline=[density_geodesic]"]
    given += ["baseline.density_geodesic.iterations=2"]
    spent = {}
    for lam in (1, 10):
        forwards.clear()
        assert command(*given, f"metric.lam={lam}", f"output={tmp_path / 'alone'}") is None
        spent[lam] = sum(forwards)
    forwards.clear()
    assert command("-m", *given, "metric.lam=1,10", f"output={tmp_path / 'sweep'}") is None
    assert spent[1] < sum(forwards) < 0.75 * sum(spent.values())
    alone, swept = (runs(tmp_path / kind, "morph") for kind in ("alone", "sweep"))
    for lam in (1, 10):
        assert tables(alone[lam]) == tables(swept[lam])
    assert not list((tmp_path / "sweep").rglob(COMMON))  # all jobs are done


def test_a_failed_sweep_keeps_what_its_jobs_share(
    tmp_path: Path,
    places: dict[str, str],  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
    forwards: list[int],
) -> None:
    given = [*tiny("morph", places), "evaluation.figures=false", "baseline=[]"]
    given += ["-m", "metric.lam=1,10", f"output={tmp_path}"]
    own = SweepWork.tensors
    with monkeypatch.context() as patch:

        def failing(self: SweepWork, kind: str, compute: Any, *key: Any) -> Any:
            if kind == "decoded":
                raise RuntimeError("lost")
            return own(self, kind, compute, *key)

        patch.setattr(SweepWork, "tensors", failing)
        assert "2 jobs failed" in str(command(*given))
    assert len(list(tmp_path.rglob(f"{COMMON}/inverted/*/*.safetensors"))) == 1
    forwards.clear()
    assert command(*given) is None
    assert not list(tmp_path.rglob(COMMON))


def test_what_is_not_ours_stays(tmp_path: Path) -> None:
    given = ["experiment=sphere", *SMALL, "-m", "metric.lam=1,10", f"output={tmp_path / 'runs'}"]
    sweep = tmp_path / "sweep"
    for name in (f"{COMMON}/notes.txt", f"{COMMON}/mine/deep/notes.txt", "common/notes.txt"):
        (sweep / name).parent.mkdir(parents=True, exist_ok=True)
        (sweep / name).write_text("precious")
    assert command(*given, f"hydra.sweep.dir={sweep}") is None
    assert len(list(sweep.rglob("notes.txt"))) == 3


def test_overwrite_forgets_what_an_interrupted_sweep_shared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = ["experiment=sphere", *SMALL, "-m", "metric.lam=1,10", f"output={tmp_path}"]
    given += ["+baseline.own._target_=tests.run.test_sweep_work.Bent"]
    with monkeypatch.context() as patch:
        patch.setattr(GaussNewton, "solve", lambda *args: 1 / 0)
        assert "2 jobs failed" in str(command(*given))
    assert len(list(tmp_path.rglob(f"{COMMON}/baseline/*/*.safetensors"))) == 1
    monkeypatch.setattr(Bent, "height", 0.25)  # as code that nobody's digest covers
    assert command(*given, "overwrite=true") is None
    for run in runs(tmp_path, "sphere").values():
        path = load_tensors(run / "paths" / "own.safetensors")["points"]
        assert float(path[0, 4].norm()) == pytest.approx(0.25)


class Bent(AbstractBaseline):
    """A path to which evaluations are charged; all its inner points are at `height`."""

    space, needs_noise, height = "data", False, 0.5

    def path(self, ends: Ends, num_points: int, generator: torch.Generator) -> BaselinePath:
        found = torch.zeros(len(ends.clean), num_points, 3, dtype=torch.float64)
        found[..., 0] = self.height
        found[:, [0, -1]] = ends.clean
        one = torch.ones(len(found), dtype=torch.int64)
        return BaselinePath(found, ("converged",) * len(found), one, one)


def test_references_of_a_start_are_counted_by_every_job(tmp_path: Path) -> None:
    """Their evaluations are part of what a start costs."""
    given = ["experiment=rotated_mnist_empirical", *TINY["rotated_mnist_empirical"], "rivals=null"]
    given += ["evaluation.figures=false", "baseline=[lerp_noise]", "inversion=ddim"]
    given += ["inversion.steps=3"]
    for lam in (1, 10):
        assert command(*given, f"metric.lam={lam}", f"output={tmp_path / 'alone'}") is None
    assert command("-m", *given, "metric.lam=1,10", f"output={tmp_path / 'sweep'}") is None
    alone, swept = (runs(tmp_path / kind, "rotated_mnist_empirical") for kind in ("alone", "sweep"))
    for lam in (1, 10):
        assert tables(alone[lam]) == tables(swept[lam])


def test_batches_by_memory_share_nothing(tmp_path: Path) -> None:
    config, _ = compose(["experiment=morph", "dataset.first=a", "dataset.second=b"])
    assert sweep_work(tmp_path, config, {}).folder == tmp_path
    config["score"]["chunk"] = None
    assert sweep_work(tmp_path, config, {}).folder is None


def test_digits_by_a_network(tmp_path: Path) -> None:
    """A score that is no text-to-image model's: frames are shared as well."""
    model = f"score.model={small_model(tmp_path / 'model')}"
    given = [model if one.startswith("score.model=") else one for one in TINY["rotated_mnist"]]
    given += ["experiment=rotated_mnist", "rivals=null", "evaluation.figures=false"]
    given += ["baseline=[lerp_noise]"]
    for lam in (1, 10):
        assert command(*given, f"metric.lam={lam}", f"output={tmp_path / 'alone'}") is None
    kinds = []
    own = SweepWork.tensors

    def noted(self: SweepWork, kind: str, compute: Callable[[], Any], *key: Any) -> Any:
        def computed() -> Any:
            kinds.append(kind)
            return compute()

        return own(self, kind, computed, *key)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SweepWork, "tensors", noted)
        assert command("-m", *given, "metric.lam=1,10", f"output={tmp_path / 'sweep'}") is None
    # Frames of the ends and of the straight line once, of the geodesic by each job; so the scores
    # where the two pairs' lines and geodesics are measured.
    assert sorted(kinds) == ["decoded"] * 4 + ["features"] + ["scores"] * 6
    alone, swept = (runs(tmp_path / kind, "rotated_mnist") for kind in ("alone", "sweep"))
    for lam in (1, 10):
        assert tables(alone[lam]) == tables(swept[lam])
    assert read_json(swept[1] / "manifest.json")["status"] == "done"
