"""What is missing or damaged in a run's folder: made anew where it can be, else named."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from scoregeo._utils.files import read_json, write_json
from scoregeo.run.command import compose, execute
from tests.commands import PLAIN, command

SMALL = ("dataset.num_pairs=2", "solver.num_points=6", *PLAIN)
FILES = ("results.jsonl", "summary.json")


@pytest.fixture(scope="module")
def config() -> dict[str, Any]:
    return compose(SMALL)[0]


@pytest.fixture(scope="module")
def folder(config: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that is done."""
    found = tmp_path_factory.mktemp("runs") / "run"
    assert execute(config, found, SMALL) is None
    return found


def cut(path: Path) -> None:
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:-1]))


def garbage(path: Path) -> None:
    path.write_bytes(b"\xff\xfe{")


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("harm", [Path.unlink, cut, garbage])
def test_results_of_a_done_run_are_rebuilt_from_its_records(
    name: str,
    harm: Callable[[Path], None],
    folder: Path,
    config: dict[str, Any],
    caplog: pytest.LogCaptureFixture,
) -> None:
    before = {file: (folder / file).read_bytes() for file in FILES}
    records = {path: path.stat().st_mtime_ns for path in (folder / "methods").iterdir()}
    harm(folder / name)
    (folder / "methods" / ".lerp.1.partial.json").touch()  # of a kill
    with caplog.at_level(logging.WARNING):
        assert execute(config, folder, SMALL) is None
    assert "missing or damaged" in caplog.text
    assert {file: (folder / file).read_bytes() for file in FILES} == before
    assert {path: path.stat().st_mtime_ns for path in (folder / "methods").iterdir()} == records


def test_a_damaged_manifest_or_record_is_computed_anew(
    folder: Path, config: dict[str, Any]
) -> None:
    for harmed in (folder / "manifest.json", folder / "methods" / "lerp.json"):
        if harmed.name != "manifest.json":  # else all is done
            manifest = read_json(folder / "manifest.json")
            write_json(folder / "manifest.json", {**manifest, "status": "running"})
        garbage(harmed)
        assert execute(config, folder, SMALL) is None
        assert read_json(folder / "manifest.json")["status"] == "done" and read_json(harmed)


def test_a_damaged_configuration_is_named_as_damaged(folder: Path, config: dict[str, Any]) -> None:
    garbage(folder / "config.yaml")
    reason = execute(config, folder, SMALL) or ""
    assert "config.yaml is damaged" in reason and "overwrite=true" in reason
    assert execute({**config, "overwrite": True}, folder, SMALL) is None


def test_a_done_run_is_said_to_be_so_where_nothing_can_be_written(
    folder: Path, config: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*given: Any, **more: Any) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("scoregeo.run.run_folder.write_text", fails)
    monkeypatch.setattr(Path, "mkdir", fails)
    assert execute(config, folder, SMALL) is None
    assert "cannot be written" in (execute({**config, "seed": 1}, folder.parent / "b", SMALL) or "")


def test_no_picture_can_lose_the_results(
    tmp_path: Path, config: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*given: Any, **more: Any) -> None:
        raise ValueError("no such glyph")

    drawn = {**config, "evaluation": {**config["evaluation"], "figures": True}}
    with monkeypatch.context() as patch:
        patch.setattr("scoregeo.run.runner.write_pictures", fails)
        assert "no such glyph" in (execute(drawn, tmp_path / "run", SMALL) or "")
    assert read_json(tmp_path / "run" / "summary.json")["rows"]
    assert (tmp_path / "run" / "results.jsonl").read_text()


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("name=../../x", "name = '../../x' is not allowed"),
        ("name=", "name = '' is not allowed"),
        (f"name={'x' * 230}", "at most 120 bytes"),
        ("output=", "output = '' is not allowed"),
        ("+rivals.a.b=5", "rivals.a = {'b': 5} is not allowed"),
        ("+rivals.a=5", "rivals.a = 5 is not allowed"),
        ("rivals=5", "rivals = 5 is not allowed"),
        ("~seed", "seed is missing"),
        ("experiment=null", "experiment = null is not allowed: experiment must be one of"),
        ("dataset=5", "dataset = 5 is not allowed: dataset must be one of"),
        ("baseline=null", "a list of them, or [] as in baseline=[]"),
        ("score={a:5}", "score = {a:5} is not allowed"),
        ("--resolve", "--resolve goes with --cfg job"),
        ("page={}", "page = {} is not allowed: an empty mapping changes nothing"),
        ("score._target_=math", "_target_ = 'math' is a module"),
        ("score._target_=math.pi", "_target_ = 'math.pi' is a float"),
        ("score._target_=builtins.len", "must name a class or a function"),
        ("solver=adam +solver.max_subnodes=4", "~solver.max_subnodes takes it away"),
    ],
)
def test_what_cannot_be_a_run_is_one_clear_line(
    override: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    given = [*override.split(), *SMALL]
    message = command(*given, *(() if override == "output=" else ("output=here/runs",)))
    assert isinstance(message, str) and words in message and "\n" not in message
    assert {path.name for path in tmp_path.iterdir()} <= {"here", "outputs"}


def test_a_rival_named_like_a_path_is_refused(config: dict[str, Any], tmp_path: Path) -> None:
    rivals = {"../../../ESCAPED": {"_target_": "scoregeo.solver.Adam", "num_points": 6}}
    reason = execute({**config, "rivals": rivals}, tmp_path / "a" / "b" / "run", SMALL) or ""
    assert "rivals.../../../ESCAPED" in reason and not list(tmp_path.rglob("*ESCAPED*"))
    reason = execute({**config, "name": "../x"}, tmp_path / "a" / "b" / "run", SMALL) or ""
    assert "name = '../x'" in reason


def test_no_rivals_by_each_way_of_saying_it(tmp_path: Path) -> None:
    for number, given in enumerate(("rivals={}", "rivals=null", "~rivals")):
        output = tmp_path / str(number)
        said = command("experiment=sphere", given, *SMALL, f"output={output}")
        assert said is None
        (manifest,) = {path.resolve() for path in output.glob("sphere/*/manifest.json")}
        assert not [name for name in read_json(manifest)["methods"] if "adam" in name]
