"""Values with ordinary characters on the command line, with Hydra's own parser as the judge."""

import shlex
import sys
from pathlib import Path

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from scoregeo._utils.configuration import config_dir
from scoregeo._utils.errors import ConfigError
from scoregeo.run.cli import main
from scoregeo.run.command import compose
from scoregeo.run.explain import compose_errors, explain
from scoregeo.run.morph import read_command
from scoregeo.run.overrides import as_overrides, as_typed, in_a_shell, text

REFUSED = ("cat's", "café", "photo (1).png", "猫.png", "IMG=1.png", "a&b", "#1", "[x].png", "{x}")
ORDINARY = (*REFUSED, "a cat, sitting", "a: b", 'so "called"', "trail\\", "", "true", "12", "!")


def parsed(override: str) -> object:
    return OverridesParser.create().parse_override(override).value()


@pytest.mark.parametrize("value", REFUSED)
def test_what_hydra_refuses_is_taken_as_text(value: str) -> None:
    (override,) = as_overrides([f"key={value}"])
    assert parsed(override) == value


def test_what_hydra_reads_is_left_alone() -> None:
    given = ["a=1", "b=[1,2]", "c='x y'", "d=1,2", "+e.f=null", "~g", "-m", "h=glob(*)", "i={k: v}"]
    assert as_overrides(given) == given


@pytest.mark.parametrize(
    ("value", "values"),
    [
        ("é,b", ["é", "b"]),
        ("b, cat's", ["b", "cat's"]),
        ("choice(é,b)", ["é", "b"]),
        ("'é, x',ü", ["é, x", "ü"]),
        ("[é,b],[b]", [["é", "b"], ["b"]]),
    ],
)
def test_of_several_values_each_is_taken_as_text(value: str, values: list[object]) -> None:
    (override,) = as_overrides([f"key={value}"])
    found = OverridesParser.create().parse_override(override)
    assert found.is_sweep_override()
    assert [found._convert_value(one) for one in found.sweep_iterator()] == values


def test_brackets_with_commas_are_a_list_or_a_text() -> None:
    assert parsed(*as_overrides(["key=[é,[ü,1]]"])) == ["é", ["ü", 1]]
    for value in ("photo(é,b).png", "a) b,é", "[é,b", "{é:1,b:2}"):
        assert parsed(*as_overrides([f"key={value}"])) == value


def test_what_is_shown_is_what_was_typed() -> None:
    assert as_overrides(["dataset..x=1"]) == ["dataset..x=1"]  # no quotes mend it
    for typed in ("a=é,b", "a=[é,b]", "a=cat's,b", "a='x y',b"):
        assert as_typed(*as_overrides([typed])) == typed


@pytest.mark.parametrize("value", [*ORDINARY, "price ${seed}"])
def test_a_text_comes_through_the_configuration(value: str) -> None:
    config, _ = compose(["experiment=morph", text("dataset.first_prompt", value)])
    assert config["dataset"]["first_prompt"] == value


@pytest.mark.parametrize("value", ["a cat, sitting", 'a, "b"', "$5, cheap", "é,b"])
def test_commas_are_told_with_the_quoting_that_works(value: str) -> None:
    with pytest.raises(compose_errors()) as refused:
        compose([f"dataset.first_prompt={value}", "dataset=image_pairs"])
    said = explain(refused.value, config_dir())
    assert "has commas" in said and "-m sweeps" in said and "\n" not in said
    shown = in_a_shell("dataset.first_prompt", value)
    assert shown in said
    (argument,) = shlex.split(shown)  # what a shell makes of it
    config, _ = compose([argument, "dataset=image_pairs"])
    assert config["dataset"]["first_prompt"] == value


def test_morph_takes_ordinary_arguments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("IMG=1.png", "img=1.png"):
        (tmp_path / name).touch()
    command = read_command(
        [
            *("img=1.png", "--frames", "9", "photo (1).png", "--prompt-a", "a cat, sitting"),
            *("--prompt-b", "cat's café", "--model", "models/my model (2)", "--size", "512x768"),
            *("--fps", "24", "--steps", "20", "--guidance", "2.5", "--timestep", "300"),
            *("--negative-prompt", "blur, text", "--seed", "3", "--out", "mine (1)"),
            "metric.lam=7",
        ]
    )
    config, folder = compose(command.overrides)
    assert command.fps == 24 and folder == Path("mine (1)")
    data, score = config["dataset"], config["score"]
    assert (data["first"], data["second"]) == ("img=1.png", "photo (1).png")
    assert (data["first_prompt"], data["second_prompt"]) == ("a cat, sitting", "cat's café")
    assert data["size"] == [512, 768] and config["solver"]["num_points"] == 9
    assert score["model"] == "models/my model (2)" and score["negative_prompt"] == "blur, text"
    assert score["guidance"] == 2.5 and score["timestep"] == 300 and config["seed"] == 3
    assert config["inversion"]["decode_steps"] == 20 and config["metric"]["lam"] == 7
    assert config["baseline"] == {}

    shipped, _ = compose(read_command(["a.png", "b.png", "--model", "emoji_sd"]).overrides)
    assert shipped["score"]["model"] == "emoji_sd" and shipped["score"]["chunk"] == 32
    assert shipped["dataset"]["size"] is None  # the model's own
    painted, _ = compose(
        read_command(["--prompt-a", "cat, red", "--prompt-b", "dog", "baseline=[slerp]"]).overrides
    )
    assert painted["dataset"]["_target_"].endswith("Prompts")
    assert painted["dataset"]["first"] == "cat, red" and list(painted["baseline"]) == ["slerp"]


def test_morph_names_what_it_cannot_take(tmp_path: Path) -> None:
    (tmp_path / "x").touch()
    for arguments, words in (
        ([], "0 pictures .*takes two"),
        (["a.png"], r"1 picture given \(a.png\).*takes two"),
        (["a.png", "b.png", "c.png"], "3 pictures"),
        (["--prompt-a", "cat"], "0 pictures"),
        (["a.png", "b.png", "--frames", "1"], "--frames = 1 .*at least 3"),
        *(
            (["a.png", "b.png", "--fps", rate], f"--fps = {rate} .*at least 0.01 and at most 50")
            for rate in ("0.0", "1e-09", "51.0", "nan", "inf")
        ),
        (["a.png", "b.png", "--frames", "abc"], "--frames = 'abc' .*at least 3"),
        (["a.png", "b.png", "--fps", "fast"], "--fps = 'fast' .*at least 0.01 and at most 50"),
        (["a.png", "b.png", "--steps", "0"], "--steps = 0 .*at least 1 and at most"),
        (["a.png", "b.png", "--timestep", "-1"], "--timestep = -1.0 .*at least 0"),
        (["a.png", "b.png", "--guidance", "x"], "--guidance = 'x' .*at least 1"),
        (["a.png", "b.png", "--seed", "0.5"], "--seed = '0.5' .*a whole number at least 0"),
        (["a.png", "b.png", "--size", "big"], "--size = 'big' .*HEIGHTxWIDTH"),
        (["a.png", "b.png", "--out", "cat.gif"], "--out = 'cat.gif' .*folder"),
        (["a.png", "b.png", "--out", str(tmp_path / "x")], "--out = .*folder"),
        (["a.png", "b.png", "--out", ""], "--out = '' .*path"),
        (["a.png", "b.png", "--out", "a" * 300], "--out = 'aaa.*folder"),
        (["a.png", "b.png", "--out", "~nouser/x"], "--out = '~nouser/x' .*path"),
    ):
        with pytest.raises(ConfigError, match=words):
            read_command(arguments)
    free = read_command(["a.png", "b.png", "--steps", "0", "inversion=none"])
    assert "inversion.decode_steps=0" in free.overrides
    long = "x=" + "y" * 300  # no name of a file
    assert read_command(["a" * 300, long, "c"]).overrides[-1] == long


def test_morph_names_its_options_where_a_run_names_settings() -> None:
    given = read_command(["a.png", "b.png", "--timestep", "5000", "--seed", "1", "seed=-1"])
    said = "scoregeo: error: score.timestep = 5000.0 is not allowed: score.timestep must be small."
    match = "error: --timestep = 5000.0 .*: --timestep must be"
    with pytest.raises(SystemExit, match=match), given.as_typed():
        sys.exit(said)
    with pytest.raises(SystemExit, match="error: inversion.decode_steps = 0"), given.as_typed():
        sys.exit("scoregeo: error: inversion.decode_steps = 0 is not allowed")
    with pytest.raises(SystemExit, match="^130$"), given.as_typed():
        sys.exit(130)


def test_an_unknown_option_of_morph_is_told_with_the_nearest(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        read_command(["a.png", "b.png", "--modl", "x"])
    said = capsys.readouterr().err
    assert "unrecognized arguments: --modl x (did you mean '--model'?)" in said


@pytest.mark.parametrize("arguments", [["morph", "caf\udce9.png", "b.png"], ["name=\udcff"]])
def test_a_name_that_is_not_in_utf_8_is_named(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a shell hands over the name of a file of another encoding."""
    monkeypatch.setattr("sys.argv", ["scoregeo", *arguments])
    with pytest.raises(SystemExit, match=r"error: '.*udc(e9|ff).*' is not in UTF-8: rename"):
        main()
