"""The script that measures the shipped digit models: which cards it writes."""

import importlib
import subprocess
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture
def model_card(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    return importlib.import_module("model_card")


def written(model_card: Any, monkeypatch: pytest.MonkeyPatch, *given: str) -> list[str]:
    """The models whose cards a command line writes."""
    found: list[str] = []
    monkeypatch.setattr("sys.argv", ["model_card.py", "--source", "embedded", *given])
    monkeypatch.setattr(model_card, "classifier_card", lambda test: found.append("classifier"))
    monkeypatch.setattr(model_card, "unet_card", lambda model, *rest: found.append(model))
    model_card.main()
    return found


def test_without_a_name_every_card_is_written(
    model_card: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert sorted(written(model_card, monkeypatch)) == sorted(model_card.FOLDER)
    assert written(model_card, monkeypatch, "--model", "ten", "all") == ["ten", "all"]


def test_bad_arguments_are_named(model_card: Any, capsys: pytest.CaptureFixture[str]) -> None:
    for given, words in (
        (["--model", "eleven"], "eleven"),
        (["--by-eye", "clean strokes"], "give it with one --model"),
    ):
        with pytest.raises(SystemExit):
            model_card.arguments(given)
        assert words in capsys.readouterr().err


def test_the_makefile_s_command_is_accepted(model_card: Any, tmp_path: Path) -> None:
    lines = subprocess.run(
        ["make", "--dry-run", "--assume-old=.venv/.ready", "model-cards"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    (command,) = [line.split() for line in lines if "model_card.py" in line]
    given = command[command.index("scripts/model_card.py") + 1 :]
    assert model_card.arguments(given).models == sorted(model_card.FOLDER)
