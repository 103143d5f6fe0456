"""A hub that cannot be reached: said within seconds."""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from scoregeo._utils.errors import DataError
from scoregeo.score import hub

MODEL = "stable-diffusion-v1-5/stable-diffusion-v1-5"


@pytest.fixture
def listener(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> socket.socket:
    """A server that takes connections and never answers, set as the hub; the cache is empty."""
    constants = pytest.importorskip("huggingface_hub.constants")
    assert pytest.importorskip(
        "huggingface_hub"
    ).HfApi  # imported on first use, which the clock should not see
    server = socket.create_server(("127.0.0.1", 0))
    monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{server.getsockname()[1]}")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(hub, "TIMEOUT", 0.5)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    return server


def test_a_hub_that_does_not_answer(listener: socket.socket) -> None:
    began = time.monotonic()
    with listener, pytest.raises(DataError, match="cannot be reached.*score=emoji_sd"):
        hub.snapshot(MODEL, list)
    assert 0.4 < time.monotonic() - began < 5  # it waited for the time allowed, once, and no more


def test_a_hub_that_refuses_connections(listener: socket.socket) -> None:
    listener.close()
    with pytest.raises(DataError, match=rf"{MODEL}.*cannot be reached.*refused.*score=emoji_sd"):
        hub.snapshot(MODEL, list)


def test_files_in_the_cache_are_used_without_a_hub(listener: socket.socket, tmp_path: Path) -> None:
    listener.close()
    commit = "0" * 40
    store = tmp_path / f"models--{MODEL.replace('/', '--')}"
    (store / "snapshots" / commit).mkdir(parents=True)
    (store / "refs").mkdir()
    (store / "refs" / "main").write_text(commit)
    (store / "snapshots" / commit / "model_index.json").write_text("{}")
    assert (hub.snapshot(MODEL, list) / "model_index.json").read_text() == "{}"


@pytest.mark.slow
def test_the_whole_command_with_its_own_process(tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    code = (
        "from scoregeo.score.sd_loading import load_stable_diffusion;"
        f" load_stable_diffusion({MODEL!r})"
    )
    environment = os.environ | {"HF_ENDPOINT": "http://127.0.0.1:9", "HF_HOME": str(tmp_path)}
    result = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=120
    )
    assert result.returncode != 0
    assert (
        "DataError" in result.stderr
        and "cannot be reached" in result.stderr
        and "emoji_sd" in result.stderr
    )
