"""A runner of one's own: what it is given, and that an override it does not read is said."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from scoregeo._utils.errors import ConfigError
from scoregeo.run.command import compose
from scoregeo.run.own_runner import own_runner, reads, unread
from tests.commands import command

MODULE = """
import json
from scoregeo.run.own_runner import reads

def alone(path, size=1):
    (path / "found.json").write_text(json.dumps({"size": size}))

@reads("dataset", "seed")
def some(path, config):
    (path / "found.json").write_text(json.dumps({"seed": config["seed"]}))

def everything(path, config):
    pass

async def later(path):
    pass

def piecewise(path):
    yield path

def a_page(path):
    from scoregeo.report.model import Page, table_of
    from scoregeo.report.render import write_page
    from scoregeo.report.table import Row
    table = table_of("Areas", [Row({"surface": "disk"}, {"area": "3.14"})])
    write_page(Page("mine", "Mine", "", (table,), titles={"area": "area (m^2)"}), path)
"""


@pytest.fixture(autouse=True)
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "runner_of_mine.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "runner_of_mine", raising=False)


def composed(*overrides: str) -> dict[str, Any]:
    return compose(overrides)[0]


@pytest.mark.parametrize(
    ("function", "wanted"),
    [
        ("alone", ["metric", "solver.num_points", "seed"]),
        ("some", ["metric", "solver.num_points"]),
        ("everything", []),
        ("nothing_of_that_name", []),  # said where it is called
    ],
)
def test_overrides_that_it_does_not_read(function: str, wanted: list[str]) -> None:
    typed = (
        f"+runner._target_=runner_of_mine.{function}",
        "metric=euclidean",
        "solver.num_points=9",
        "seed=5",
        "threads=1",
        "page.title=Mine",
        "name=mine",
    )
    assert unread(composed(*typed)["runner"], typed) == wanted


def test_it_reads_what_its_settings_name() -> None:
    node = {
        "_target_": "runner_of_mine.alone",
        "size": "${seed}",
        "more": ["${ dataset.num_pairs }", "${metric}"],
    }
    typed = ["seed=1", "dataset.num_pairs=2", "metric.lam=3", "solver=adam"]
    assert unread(node, typed) == ["solver"]


@pytest.mark.parametrize("target", ["torch.Tensor", "operator.itemgetter"])
def test_what_has_no_signature_is_refused(target: str) -> None:
    assert unread({"_target_": target}, ["seed=1"]) == []  # said where it is called
    with pytest.raises(ConfigError, match=f"runner._target_ = '{target}' has no signature"):
        own_runner(composed(f"+runner._target_={target}"))


@pytest.mark.parametrize(("function", "wanted"), [("alone", {"size": 3}), ("some", {"seed": 7})])
def test_what_it_is_given(tmp_path: Path, function: str, wanted: dict[str, int]) -> None:
    size = ("+runner.size=3",) if function == "alone" else ()
    config = composed(f"+runner._target_=runner_of_mine.{function}", "seed=7", *size)
    own_runner(config)(tmp_path)
    assert json.loads((tmp_path / "found.json").read_text()) == wanted


def test_the_command_warns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    own = "+runner._target_=runner_of_mine.alone"
    assert command(own, "name=mine", "metric.lam=5", "threads=1") in (None, 0)
    printed = capsys.readouterr()
    said = "metric.lam has no effect: the runner of mine does not read it"
    assert (printed.out + printed.err).count(said) == 1


@pytest.mark.parametrize(
    ("overrides", "wanted"),
    [
        (("experiment=properties", "solver=adam", "seed=3"), ["solver", "seed"]),
        (("experiment=score_direction", "dataset.radius=2"), ["dataset.radius"]),
        (("experiment=properties", "profile=full", "runner.size=smoke"), []),
        (("study=starts", "case/starts=torus", "baseline=[nao]", "metric.lam=3"), ["baseline"]),
        (("study=sigma_auto", "case/sigma_auto=torus", "reach=[1]", "seed=2"), ["reach"]),
    ],
)
def test_of_the_shipped_ones(overrides: tuple[str, ...], wanted: list[str]) -> None:
    assert unread(composed(*overrides)["runner"], overrides) == wanted


def test_what_is_no_runner_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for value in ("3", "text", "[1]"):
        said = command(f"runner={value}", "seed=1", "threads=1")
        assert isinstance(said, str) and "runner = " in said and "_target_" in said
    for name in ("later", "piecewise"):  # which would do nothing, and be said to be done
        said = command(f"+runner._target_=runner_of_mine.{name}", "threads=1")
        assert isinstance(said, str) and "must be a plain function" in said
    assert not list(tmp_path.glob("outputs/*"))


def test_keys_that_are_none_are_refused() -> None:
    for keys in (["dataset"], "nosuch", print):
        with pytest.raises(ConfigError, match="reads = .*dataset, score"):
            reads(keys)  # type: ignore[arg-type]
    reads("dataset.num_pairs", "seed")


def test_the_tables_of_its_page_are_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert command("+runner._target_=runner_of_mine.a_page", "threads=1") is None
    shown = capsys.readouterr().out.splitlines()
    first = shown.index("Areas") + 1
    assert [line.split() for line in shown[first : first + 2]] == [
        ["surface", "area", "(m^2)"],
        ["disk", "3.14"],
    ]
    assert any(line.endswith("table.md") for line in shown)


def test_one_of_the_repository_is_said_to_be_found_in_its_root(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for target, told in (("experiments_x.run", False), ("experiments.properties.run", True)):
        name = target.partition(".")[0]
        missing = ModuleNotFoundError(f"No module named {name!r}", name=name)

        def resolve(target: str, missing: Exception = missing) -> None:
            raise missing

        with monkeypatch.context() as patch:
            patch.setattr("pkgutil.resolve_name", resolve)
            said = command(f"+runner._target_={target}", "threads=1")
        assert isinstance(said, str) and f"the working folder, {tmp_path}" in said
        assert ("run the command in its root" in said) is told
