"""The command line: help at once, and bad input told in one line that names the key, the value and
what is allowed.
"""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from scoregeo import __version__
from scoregeo._utils.configuration import config_dir
from scoregeo._utils.device import device_of
from scoregeo._utils.files import load_yaml, read_json
from scoregeo._utils.jobs import read_jobs
from scoregeo._utils.lock import FolderLock
from scoregeo.run.config_flags import job_flags, typed_flags
from scoregeo.run.explain import known_keys
from tests.commands import PLAIN, command, run_here

HELP = """
import sys
sys.argv = ["scoregeo", "--help"]
from scoregeo.run.cli import main
try:
    main()
finally:
    heavy = sorted({"torch", "matplotlib", "diffusers", "wandb", "scipy"} & set(sys.modules))
    print("HEAVY", heavy)
"""


def test_help_shows_examples_and_loads_nothing_heavy(tmp_path: Path) -> None:
    shown = subprocess.run(
        [sys.executable, "-c", HELP], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert (
        "scoregeo -m experiment=sphere metric.lam=1,10,100,1000 solver.num_points=8,16,32,64"
        in shown.stdout
    )
    assert (
        re.search(r"^experiment: .*\bextrapolation\b", shown.stdout, re.MULTILINE)
        and "HEAVY []" in shown.stdout
    )
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        # Told while the configuration is composed.
        (["metric.lamb=3"], ["metric.lamb", "'metric.lam'", "keys of metric"]),
        (["metrik=stein"], ["metrik", "'metric'"]),
        (["score.radius=2"], ["score.radius is not a key", "+score.radius adds it"]),
        (
            ["metric=steinn"],
            ["metric = 'steinn'", "did you mean 'stein'", "conformal, euclidean, pullback, stein"],
        ),
        (["experiment=spher"], ["experiment = 'spher'", "sphere"]),
        (["baseline=[lerp,foo]"], ["baseline = 'foo'", "slerp_noise"]),
        (["solver=adam", "solver.subnodes=3"], ["solver.subnodes", "gauss_newton"]),
        (["evaluation.kid_subset=3"], ["evaluation.kid_subset", "evaluation.kid_subsets"]),
        (["seed=abc"], ["seed = 'abc'", "whole number"]),
        (["profile=fast"], ["profile = 'fast'", "quick, full"]),
        (["study=ablation"], ["study = 'ablation'", "ablation_lambda", "codimension"]),
        (
            ["study=codimension", "case/codimension=sphere"],
            ["case/codimension = 'sphere'", "sphere_r3"],
        ),
        (["study=codimension", "case=sphere"], ["case/STUDY=OPTION", "codimension"]),
        (["study=ablation_lambda", "case/ablation_lambda=a"], ["case/STUDY=OPTION", "sigma_auto"]),
        (["overwrite=maybe"], ["overwrite = 'maybe'", "true or false"]),
        (["metric.lam"], ["'metric.lam'", "key=value"]),
        (["seed = 3"], ["'seed = 3'", "no space", "seed=3"]),
        (["=3"], ["'=3'", "key=value"]),
        (["seed=null"], ["seed = None", "seed must be a whole number"]),
        (["seed=[1]"], ["seed = [1]", "a whole number"]),
        (["page=3"], ["page = '3'", "page.title"]),
        (["page.measures=3"], ["page.measures = '3'", "a list"]),
        (["name=null"], ["name = 'null'", "a text"]),
        (["rivals=[adam]"], ["rivals = '[adam]'", "solvers by name"]),
        (["rivals={a:5}"], ["rivals.a ", "+solver@rivals.NAME"]),
        (["reach={a:1}"], ["reach = '{a:1}'", "a list of numbers"]),
        (["metric@foo=stein"], ["metric@foo", "+metric@PLACE=OPTION"]),
        (["solver@rivals.x=adam"], ["+solver@rivals.x=OPTION"]),
        (["~hydra"], ["hydra", "hydra.KEY=VALUE"]),
        (["hydra/launcher=3"], ["hydra/launcher = 3", "local"]),
        (["hydra.run.dir="], ["hydra.run.dir = ''"]),
        (["seed=${nosuch}"], ["seed", "names no key"]),
        (["seed=${seed}"], ["seed", "refers to itself"]),
        (["seed=${oc.env:NOSUCH}"], ["seed", "no variable NOSUCH"]),
        (["output=~nouser/x"], ["output = '~nouser/x'", "a path"]),
        (["--experimental-rerun", "nosuch"], ["nosuch"]),
        (["-m", "seed=range(0)"], ["no jobs", "seed=range(0)"]),
        (["hydra.verbose=3"], ["hydra.verbose must be true, false"]),
        (
            ["-m", "seed=0,1", "hydra.sweeper.max_batch_size=0"],
            ["max_batch_size = 0", "at least 1"],
        ),
        (["-m", "seed=range(1,3,0)"], ["range()"]),
        (["dataset..x=1"], ["'dataset..x=1' is not of the form", "words with points"]),
        (["~"], ["'~' is not of the form key=value"]),
        (["--config-path", "/nope"], ["--config-path = '/nope'", "config.yaml"]),
        (["~tracker"], ["tracker=[] ", "~tracker.NAME"]),
        (["~baseline=[lerp]"], ["baseline=[] ", "~baseline.NAME"]),
        (["~rivals.foo"], ["there is no rivals.foo"]),
        (["tracker.wandb.mode=online"], ["wandb is not chosen", "'tracker=[wandb]'"]),
        (["results=pages"], ["results = 'pages'", "null in a single run", "-m"]),
        (["extrapolation.x=1"], ["an extrapolation needs a _target_"]),
        (["hydra.sweeper.params={seed:'0,1'}"], ["hydra.sweeper.params is not", "a file"]),
        (["hydra.sweeper.params.seed='0,1'"], ["hydra.sweeper.params.seed is not", "a file"]),
        (["experiment=[sphere,torus]"], ["solver@rivals.adam", "one option"]),
        (["hydra.callbacks.gather.pages=x"], ["gather.pages = 'x'", "true or false"]),
        (["-m", "seed=0,1", "hydra.callbacks.gather.pages=3"], ["gather.pages = 3"]),
        # Of a sweep, before its first job.
        (["-m", "metric.lam=range(1,10000000)"], ["range(1,10000000)", "at most 100,000"]),
        (["-m", "metric.lam=range(1,inf,0.5)"], ["range(1,inf,0.5)", "at most 100,000"]),
        (["-m", "seed=range(1000)", "threads=range(1,102)"], ["seed=", "at most 100,000"]),
        (["-m", "seed=0,-1"], ["seed = -1", "at least 0"]),
        (["-m", "seed=range(-1,2)"], ["seed = -1", "at least 0"]),
        (["-m", "evaluation.kid_subsets=2,0"], ["evaluation.kid_subsets = 0", "at least 1"]),
        (["-m", "solver.num_points=8,1"], ["solver.num_points = 1", "at least 2"]),
        (["-m", "solver.num_points=range(1,9)", "seed=0,1"], ["solver.num_points = 1"]),
        (["-m", "metric.lam=1,0", "solver.num_points=8,9"], ["metric.lam = 0", "above 0"]),
        (["-m", "initializer=graph", "initializer.neighbours=4,0"], ["neighbours = 0"]),
        (["-m", "device=cpu,gpu"], ["device = 'gpu'", "'cpu', 'cuda'"]),
        (["-m", "name=é,b,x/y"], ["name = 'x/y'"]),
        (["-m", "seed=1,2", "hydra.sweep.subdir=a"], ["hydra.sweep.subdir = 'a'", "share"]),
        # Told by the parts, before any long work; more of them below.
        (["metric.lam=0"], ["metric.lam = 0 ", "above 0"]),
        (["metric.lam=1e308"], ["metric.lam = 1e+308 ", "1e-30 to 1e+30"]),
        (["metric=conformal", "metric.alpha=1e-320"], ["metric.alpha = 1e-320 ", "from 1e-30"]),
        (["dataset=torus"], ["score = 'sphere'", "Torus"]),
        (["device=tpu"], ["device = 'tpu'", "'cpu', 'cuda'"]),
        (["+foo=1"], ["foo", "dataset"]),
    ],
)
def test_bad_input_is_one_clear_line(
    arguments: list[str], words: list[str], tmp_path: Path
) -> None:
    said = command(*arguments, f"output={tmp_path}")
    assert isinstance(said, str) and said.startswith("scoregeo: error: ") and "\n" not in said
    assert all(word in said for word in words), said
    assert not list(tmp_path.iterdir()), "a refused run leaves no folder"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["metric.lam=nan"], ["metric.lam = nan", "finite number"]),
        (["metric.lam=much"], ["metric.lam = 'much'", "finite number"]),
        (["solver.num_points=1"], ["solver.num_points = 1 ", "at least 2"]),
        (["score.sigma=-1"], ["score.sigma = -1", "above 0"]),
        (["dataset.dimension=3"], ["dataset.dimension = 3", "dataset.ambient = 3"]),
        (
            ["dataset=torus", "score=torus", "dataset.minor=1"],
            ["dataset.minor = 1", "dataset.major = 1.0"],
        ),
        (["dataset.endpoints=[[[1,0,0],[1,0,0]]]"], ["dataset.endpoints[0]", "identical"]),
        (["dataset=rotated_mnist", "score=mlp"], ["score = 'mlp'", "(1, 28, 28)"]),
        (
            ["dataset=rotated_mnist", "score=digits_unet", "score.model=nowhere"],
            ["score.model = 'nowhere'"],
        ),
        (
            ["dataset=rotated_mnist", "score=empirical", "dataset.root=[1]"],
            ["dataset.root = [1]", "a path"],
        ),
        (["dataset=emoji", "score=emoji_sd", "dataset.root=3"], ["dataset.root = 3", "a path"]),
        (
            ["dataset=image_pairs", "score=emoji_sd", "dataset.root=[1]"],
            ["dataset.root = [1]", "a path"],
        ),
        (["score.sigma=null"], ["score.sigma = None", "exactly one"]),
        (
            ["experiment=sphere", "rivals.adam.learning_rate=-1"],
            ["rivals.adam.learning_rate = -1"],
        ),
        (
            ["metric=pullback"],
            ["'gauss_newton'", "'pullback'", "solver=lbfgs with metric=stein, pullback"],
        ),
        (["device=cuda:x"], ["device = 'cuda:x'", "'cuda:1'"]),
        (["memory_gib=0"], ["memory_gib = 0", "above 0"]),
        (["threads=99999999"], ["threads = 99999999", "at most 4096"]),
        (["reach=[[1]]"], ["reach[0] = [1]", "above 0"]),
        (["reach=[1e300]"], ["reach[0] = 1e+300 ", "1e+30"]),
        (["page.measures=[psnrr]"], ["page.measures = 'psnrr'", "psnr"]),
        (["evaluation.extra=[..x]"], ["evaluation.extra = '..x'", "can be imported"]),
        (["solver._target_=scoregeo.solver"], ["solver._target_ = 'scoregeo.solver' is a module"]),
        (["score._target_=os.getcwd"], ["score._target_ = 'os.getcwd'", "function of a module"]),
        (
            ["+tracker.x._target_=scoregeo.solver.Adam"],
            ["tracker.x._target_ gave Adam", "AbstractTracker"],
        ),
        (["tracker=[wandb]", "tracker.wandb.project=a/b"], ["tracker.wandb.project = 'a/b'"]),
        (
            ["dataset=rotated_mnist", "score=digits_unet", "score.model=3"],
            ["score.model = 3", "a folder"],
        ),
        (
            ["experiment=sphere", "memory_gib=2e-6"],
            ["memory_gib = 2e-06", "64 points of 3 numbers", "GaussNewton", "must be at least"],
        ),
        (["seed=-1"], ["seed = -1", "at least 0"]),
        (
            ["baseline=[graph_power]", "baseline.graph_power.num_references=nan"],
            [
                "baseline.graph_power.num_references = nan",
                "baseline.graph_power.num_references must",
            ],
        ),
        (
            ["baseline=[lerp_noise]", "baseline.lerp_noise.space=x"],
            ["baseline.lerp_noise.space = 'x'"],
        ),
        (
            ["baseline=[conformal]", "baseline.conformal.solver.tolerance=nan"],
            [
                "baseline.conformal.solver.tolerance = nan",
                "baseline.conformal.solver.tolerance must",
            ],
        ),
        (
            ["baseline=[conformal]", "baseline.conformal.metric.alpha=nan"],
            ["baseline.conformal.metric.alpha = nan"],
        ),
        (
            ["baseline=[land]", "baseline.land.num_references=nan"],
            ["baseline.land.num_references = nan"],
        ),
        (
            ["initializer=several", "initializer.starts.modes.lines=-1"],
            ["initializer.starts.modes.lines = -1"],
        ),
        (["experiment=clock_learned", "score.model=2024"], ["score.model = 2024", "a path"]),
        (
            ["score=empirical_neighbours", "score.references=true"],
            ["score.references = True", "a path"],
        ),
        (["score=mlp", "score.progress=é"], ["score.progress = 'é'", "true or false"]),
        (["metric._target_=scoregeo.EuclideanMetric"], ["metric.lam", "it takes none."]),
        (
            ["evaluation.departure=true", "solver.num_points=2", "rivals=null"],
            ["evaluation.departure = True", "two points"],
        ),
        (
            ["baseline=[graph_euclidean]", f"baseline.graph_euclidean.num_references={10**12}"],
            [f"baseline.graph_euclidean.num_references = {10**12}", "GiB", "at most"],
        ),
        (
            ["baseline=[pullback]", "baseline.pullback.metric._partial_=false"],
            ["baseline.pullback.metric=pullback needs field", "._partial_=true"],
        ),
        (["~metric.lam"], ["metric=stein needs lam: set metric.lam."]),
        (["evaluation.network=vgg"], ["evaluation.network = 'vgg'", "inception"]),
        (["evaluation.metrics=[stein,fisher]"], ["evaluation.metrics[1] = 'fisher'", "'pullback'"]),
        (["evaluation.metrics=[stein,stein]"], ["evaluation.metrics", "without repetitions"]),
        (["evaluation.reference_frames=1"], ["evaluation.reference_frames = 1", "at least 2"]),
        (["evaluation.kid_subset_size=1"], ["evaluation.kid_subset_size = 1", "at least 2"]),
    ],
)
def test_what_a_part_refuses_is_one_clear_line(
    arguments: list[str], words: list[str], tmp_path: Path
) -> None:
    """What the command prints after its name, and leaves behind."""
    _, reason = run_here(arguments, tmp_path)
    assert reason is not None and "\n" not in reason
    assert all(word in reason for word in words), reason
    assert not list(tmp_path.iterdir()), "a refused run leaves no folder"


FILES = {
    "syntax": ("# @package _global_\nname: [a\n", ["syntax.yaml, line", "is not YAML"]),
    "tab": ("# @package _global_\nsolver:\n\tnum_points: 3\n", ["line 3", "a tab"]),
    "twice": ("# @package _global_\nseed: 1\nseed: 2\n", ["line 3", "duplicate key seed"]),
    "header": ("seed: 2\n", ["# @package _global_"]),
    "half": ("# @package\nseed: 2\n", ["half.yaml", "@package"]),
    "list": ("# @package _global_\n- a\n", ["experiment/list.yaml", "a list"]),
    "words": ("# @package _global_\ndefaults: abc\n", ["experiment/words", "defaults"]),
    "itself": ("# @package _global_\ndefaults:\n  - itself\n", ["refers to itself"]),
    "kind": ("# @package _global_\nseed: abc\n", ["seed = 'abc'", "in experiment/kind"]),
    "misspelt": ("# @package _global_\nsede: 3\n", ["sede", "'seed'", "in experiment/misspelt"]),
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_of_one_s_own_that_is_wrong_is_named(name: str, tmp_path: Path) -> None:
    content, words = FILES[name]
    (tmp_path / "c" / "experiment").mkdir(parents=True)
    (tmp_path / "c" / "experiment" / f"{name}.yaml").write_text(content, encoding="utf-8")
    where = [f"output={tmp_path / 'outputs'}", "--config-dir", str(tmp_path / "c")]
    said = command(f"experiment={name}", *where)
    assert isinstance(said, str) and said.startswith("scoregeo: error: ") and "\n" not in said
    assert all(word in said for word in words), said
    assert not (tmp_path / "outputs").exists()


REFUSED = """
import sys
sys.argv = ["scoregeo", "experiment=sphere", *sys.argv[1:]]
from scoregeo.run.cli import main
try:
    main()
except SystemExit as stop:
    heavy = {"torch", "matplotlib", "diffusers", "wandb"}
    print(stop.code, "HEAVY", sorted(heavy & set(sys.modules)))
"""


@pytest.mark.parametrize("override", ["seed=-1", "evaluation.kid_subsets=0", "metric.lamb=3"])
def test_bad_input_is_refused_before_slow_imports(override: str, tmp_path: Path) -> None:
    said = subprocess.run(
        [sys.executable, "-c", REFUSED, override, "output=outputs"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    ).stdout
    assert override.partition("=")[0] in said and "HEAVY []" in said
    assert not list(tmp_path.iterdir())


def test_a_failure_after_the_checks_keeps_its_folder(tmp_path: Path) -> None:
    said = command(
        "score._target_=tests.broken.broken_score",
        *PLAIN,
        "dataset.num_pairs=1",
        f"output={tmp_path}",
    )
    assert isinstance(said, str) and "not finite" in said
    (manifest,) = tmp_path.glob("custom/*/manifest.json")
    assert read_json(manifest)["status"] == "failed"


def test_a_gpu_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    said = command("device=cuda", f"output={tmp_path}")
    assert isinstance(said, str) and "device = 'cuda'" in said and "must be 'auto', 'cpu'" in said
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    said = command("device=cuda:2", f"output={tmp_path}")
    assert isinstance(said, str) and "device = 'cuda:2'" in said and "'cuda:1'" in said
    assert device_of("cuda:1") == "cuda:1"


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    said = command(f"output={tmp_path / 'file'}")
    assert isinstance(said, str) and "output" in said and "cannot be written" in said


def test_antipodal_ends_are_told_and_joined(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert (
        command(
            "dataset.endpoints=[[[1,0,0],[-1,0,0]]]",
            *PLAIN,
            "solver.num_points=8",
            f"output={tmp_path}",
        )
        is None
    )
    log = next(tmp_path.rglob("scoregeo.log")).read_text(encoding="utf-8")
    assert "not unique" in log
    assert next(tmp_path.rglob("summary.json")).is_file()


@pytest.mark.parametrize(
    "typed",
    [
        "study=ablation_lambda metric.lam=",
        "study=ablation_lambda metric.lam=-5",
        "-m metric.lam=-5",
    ],
)
def test_a_sweep_of_one_value_is_refused_before_its_job_starts(typed: str, tmp_path: Path) -> None:
    said = command(*typed.split(), *PLAIN, f"output={tmp_path / 'o'}")
    value = typed.rpartition("=")[2] or "''"
    assert isinstance(said, str) and said.startswith(
        f"scoregeo: error: metric.lam = {value} is not"
    )
    assert not (tmp_path / "o").exists()


@pytest.mark.parametrize(
    ("sweep", "settings"),
    [
        # The value of the configuration before a job's, seed 0, would be refused.
        ("solver.num_points=${seed} seed=8,9", {(8,), (9,)}),
        ("metric=pullback solver=string_method metric.eps=0.5,1", {(0.5,), (1.0,)}),
    ],
)
def test_a_sweep_is_checked_as_its_jobs_are_composed(
    sweep: str, settings: set[tuple[float, ...]], tmp_path: Path
) -> None:
    small = [*PLAIN, "dataset.num_pairs=1", "baseline=[]", "rivals=null", f"output={tmp_path}"]
    if "num_points" not in sweep:
        small.append("solver.num_points=5")
    assert command("-m", *sweep.split(), "solver.max_iterations=1", *small) in (None, 0)
    runs = [load_yaml(path) for path in tmp_path.glob("custom/*/config.yaml")]
    key = ("solver", "num_points") if "num_points" in sweep else ("metric", "eps")
    assert {(run[key[0]][key[1]],) for run in runs} == settings


def test_a_part_of_one_s_own_that_raises_fails_its_job_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "raising_part.py").write_text(
        "from scoregeo.solver.georce import Georce\n\n"
        "class Raises(Georce):\n"
        "    def __init__(self, num_points, limit=1):\n"
        "        if limit > 1:\n"
        "            raise RuntimeError('of mine')\n"
        "        super().__init__(num_points, max_iterations=1)\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    solver = ["solver=georce", "solver._target_=raising_part.Raises", "+solver.limit=1,2"]
    keys = load_yaml(config_dir() / "solver" / "georce.yaml")
    less = [f"~solver.{key}" for key in keys if key not in ("_target_", "num_points")]
    small = ["dataset.num_pairs=1", "solver.num_points=5", "baseline=[]", "rivals=null", *PLAIN]
    said = command("-m", *solver, *less, *small, f"output={tmp_path / 'o'}")
    assert isinstance(said, str) and said.startswith("scoregeo: 1 job failed:")
    assert "RuntimeError: of mine" in said
    (folder,) = (tmp_path / "o" / "custom").glob("sweep_*")
    assert [job.status for job in read_jobs(folder)] == ["done", "failed"]


def test_a_function_that_is_a_score_is_told_what_makes_it_one_of_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "plain_score.py").write_text(
        "def flat(x, sigma):\n    return 0 * x\n\n\n"
        "def normal(points, sigma):\n    return -points\n\n\n"
        "def factory(width):\n    return None\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    small = ["dataset.num_pairs=1", "solver.num_points=5", "baseline=[]", "rivals=null", *PLAIN]
    small += ["score.sigma=0.1"]
    for name, lacks in (("flat", "x"), ("normal", "points")):
        _, reason = run_here([f"score._target_=plain_score.{name}", *small], tmp_path / "o")
        assert reason is not None
        assert f"score._target_ = 'plain_score.{name}' needs {lacks}: it must name a" in reason
        advised = re.findall(r"[+\w.]+=[\w.\[\]]+", reason.partition("take ")[2])
        assert advised[0] == "score._target_=scoregeo.FunctionScore" and len(advised) == 4
        _, reason = run_here([*advised, *small], tmp_path / "o")
        assert reason is None
    _, reason = run_here(["score._target_=plain_score.factory", "~score.sigma", *PLAIN], tmp_path)
    assert reason is not None and reason.endswith("needs width: set score.width.")


def test_a_study_s_options_are_those_of_its_jobs(tmp_path: Path) -> None:
    (tmp_path / "study").mkdir()
    (tmp_path / "study" / "mine.yaml").write_text(
        "# @package _global_\nhydra:\n  mode: MULTIRUN\n  sweeper:\n    params:\n"
        "      metric: pullback\n      solver: string_method\n      metric.eps: 0.5,-1\n"
    )
    said = command("--config-dir", str(tmp_path), "study=mine", *PLAIN, f"output={tmp_path / 'o'}")
    assert isinstance(said, str) and said.startswith("scoregeo: error: metric.eps = -1")
    assert not (tmp_path / "o").exists()


@pytest.mark.slow
def test_a_sweep_tells_of_its_failed_job_and_finishes_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = [
        "-m",
        "experiment=sphere",
        "score.sigma=-1,0.1",
        "solver.num_points=8,16",
        *PLAIN,
        "dataset.num_pairs=2",
        "rivals.adam=null",
        "rivals.gauss_newton_adaptive=null",
        "baseline=[lerp]",
    ]
    said = command(*line, f"output={tmp_path}")
    assert isinstance(said, str) and said.startswith("scoregeo: 2 jobs failed:")
    assert said.count("score.sigma = -1 is not allowed") == 2
    (folder,) = tmp_path.glob("sphere/sweep_*")
    jobs = read_jobs(folder)
    assert [job.status for job in jobs] == [
        "failed",
        "failed",
        "done",
        "done",
    ] and "score.sigma = -1" in jobs[0].reason
    assert [job.run.exists() for job in jobs] == [False, False, True, True]
    assert [read_json(job.run / "manifest.json")["status"] for job in jobs[2:]] == ["done", "done"]
    assert {"summary.json", "table.md", "table.csv", "report.html"} <= {
        path.name for path in folder.iterdir()
    }
    assert {path.name for path in (folder / "figures").iterdir()} == {"sweep.png", "sweep.pdf"}
    table = (folder / "table.md").read_text(encoding="utf-8")
    assert "## Without results" in table and "score.sigma = -1 is not allowed" in table
    assert "| 0.1 | 16 | Geodesic (Stein, Gauss-Newton) |" in table

    held = FolderLock(folder)  # as another command does that runs the same sweep
    said = command(*line, f"output={tmp_path}")
    assert isinstance(said, str) and f"{folder.name} cannot be used: it is in use by" in said
    assert [job.status for job in read_jobs(folder)] == ["failed", "failed", "done", "done"]
    held.release()

    # Again: what is done stays as it is. The figure need not be drawn twice.
    monkeypatch.setattr("scoregeo.report.sweep_page.sweep_lines", lambda *args, **settings: [])
    before = (jobs[2].run / "results.jsonl").stat().st_mtime_ns
    assert isinstance(command(*line, f"output={tmp_path}"), str)
    assert (jobs[2].run / "results.jsonl").stat().st_mtime_ns == before


@pytest.mark.slow
def test_a_sweep_takes_what_another_command_has_computed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scoregeo.report.sweep_page.sweep_lines", lambda *args, **settings: [])
    small = [*PLAIN, "dataset.num_pairs=2", f"output={tmp_path}"]
    assert command("solver.num_points=8", *small) is None
    (results,) = (
        path for path in tmp_path.glob("custom/*/results.jsonl") if "latest" not in str(path)
    )
    before = results.stat().st_mtime_ns
    assert command("-m", "solver.num_points=8,9", *small) is None
    assert (
        results.stat().st_mtime_ns == before
        and len({path.resolve() for path in tmp_path.glob("custom/*/results.jsonl")}) == 2
    )
    assert command("-m", "solver.num_points=8,9", *small, "overwrite=true") is None
    assert results.stat().st_mtime_ns != before


def own_configs(folder: Path) -> Path:
    """A folder with an experiment of one's own, the sphere's, in `mine.yaml`."""
    (folder / "my configs" / "experiment").mkdir(parents=True)
    (folder / "my configs" / "experiment" / "mine.yaml").write_text(
        "# @package _global_\ndefaults:\n  - sphere\n", encoding="utf-8"
    )
    return folder / "my configs"


def test_the_manifest_keeps_the_flags_of_configs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own_configs(tmp_path)
    monkeypatch.chdir(tmp_path)
    few = ("rivals.adam=null", "rivals.gauss_newton_adaptive=null", "baseline=[lerp]")
    small = ("experiment=mine", *PLAIN, *few, "dataset.num_pairs=2", "solver.num_points=8")
    assert command("--config-dir", "my configs", *small) is None
    (manifest,) = (path for path in tmp_path.rglob("manifest.json") if "latest" not in str(path))
    said = read_json(manifest)["command"]
    assert said == " ".join(["scoregeo --config-dir 'my configs'", *small])
    table = (manifest.parent / "table.md").read_text(encoding="utf-8")
    assert said in table
    # As it is written there it is found done.
    before = manifest.stat().st_mtime_ns
    assert command(*shlex.split(said)[1:]) is None and manifest.stat().st_mtime_ns == before


def test_flags_of_configs_as_typed_and_of_a_job_elsewhere(tmp_path: Path) -> None:
    typed = ["-m", "-cn", "other", "--config-path=/c", "-cd", "a b", "seed=1"]
    assert typed_flags(typed) == [
        *("--config-path", "/c"),
        *("--config-name", "other"),
        *("--config-dir", "'a b'"),
    ]
    assert typed_flags(["seed=1", "-m"]) == []
    sources = [
        {"provider": "main", "path": str(config_dir())},
        {"provider": "command-line", "path": str(Path.cwd() / "mine")},
        {"provider": "schema", "path": ""},
    ]
    hydra = {"runtime": {"config_sources": sources}, "job": {"config_name": "config"}}
    assert job_flags(OmegaConf.create(hydra)) == ["--config-dir", "mine"]
    sources[0]["path"], sources[1]["path"] = "/else", "/mine"
    hydra["job"]["config_name"] = "other"
    assert job_flags(OmegaConf.create(hydra)) == [
        *("--config-path", "/else"),
        *("--config-name", "other"),
        *("--config-dir", "/mine"),
    ]


def test_known_keys_hold_every_group() -> None:
    keys = known_keys(config_dir())
    assert {
        "metric.lam",
        "solver.subnodes",
        "solver.iterations",
        "baseline.lerp.space",
        "evaluation.lpips",
        "seed",
        "score.chunk",  # of an option that is made of another one
    } <= set(keys)
    assert not [key for key in keys if key.endswith(".defaults")]


@pytest.mark.parametrize(("wrong", "right"), [("default", "'"), ("sigmas", "'score.sigma'")])
def test_a_hint_names_settings_only(wrong: str, right: str) -> None:
    said = command(f"score.{wrong}=1")
    assert isinstance(said, str) and right in said and "defaults" not in said


def test_values_of_another_sweeper_are_named(tmp_path: Path) -> None:
    said = command("-m", "metric.lam=interval(1,2)", f"output={tmp_path}")
    assert isinstance(said, str) and said.startswith("scoregeo: error: interval() is of other")
    assert "choice(), range()" in said and "metric.lam=1,10,100" in said


@pytest.mark.parametrize(
    "line",
    [
        ["experiment=sphere", "--cfg", "job", "seed=7"],
        ["--cfg", "job", "experiment=sphere", "seed=7"],
        ["experiment=sphere", "seed=1", "-c", "job", "seed=7"],
    ],
)
def test_flags_may_stand_among_overrides(
    line: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(*line) is None
    assert "\nseed: 7\n" in capsys.readouterr().out


def test_the_package_is_the_command_too(tmp_path: Path) -> None:
    def said(*words: str) -> subprocess.CompletedProcess[str]:
        line = [sys.executable, "-m", "scoregeo", *words]
        return subprocess.run(line, capture_output=True, text=True, cwd=tmp_path, check=False)

    assert said("--version").stdout == f"scoregeo {__version__}\n"
    assert said("list", ".").stdout == "no runs in .\n"
    assert "\nscoregeo: error: " in said("--nope").stderr


def test_an_unknown_flag_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert command("seed=1", "--nope", "seed=7") == 2
    assert "--nope" in capsys.readouterr().err
