"""Prompts as the text encoder sees them, against diffusers' own pipeline."""

from pathlib import Path

import pytest
import torch

from scoregeo._utils.errors import ConfigError
from scoregeo.score.prompt import PromptEncoder
from scoregeo.score.sd_loading import load_stable_diffusion
from tests.score.tiny_sd import TOKENS, WIDTH, diffusers_pipeline, save_tiny_sd


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("transformers")
    return save_tiny_sd(tmp_path_factory.mktemp("sd") / "model", "sd1")


@pytest.fixture
def prompts(folder: Path) -> PromptEncoder:
    return load_stable_diffusion(folder).prompts


def test_embeddings_are_those_of_diffusers(folder: Path, prompts: PromptEncoder) -> None:
    for prompt in ("a red cat", "", "Dog"):
        theirs, _ = diffusers_pipeline(folder).encode_prompt(prompt, "cpu", 1, False)
        assert prompts.encode(prompt).shape == (TOKENS, WIDTH)
        torch.testing.assert_close(prompts.encode(prompt), theirs[0], rtol=1e-6, atol=1e-6)


def test_a_prompt_is_encoded_once(prompts: PromptEncoder, monkeypatch: pytest.MonkeyPatch) -> None:
    first = prompts.encode("cat")
    monkeypatch.setattr(prompts, "text_encoder", None)
    assert prompts.encode("cat") is first


def test_an_encoder_that_was_moved_encodes_anew(prompts: PromptEncoder) -> None:
    first = prompts.encode("cat")
    prompts.text_encoder.double()
    prompts.forget()
    again = prompts.encode("cat")
    assert again.dtype == torch.float64
    torch.testing.assert_close(again.float(), first, rtol=1e-5, atol=1e-5)


def test_too_long_a_prompt_is_refused_not_cut(prompts: PromptEncoder) -> None:
    fits, longer = (
        "cat dog red cat dog red cat dog red x",
        "cat dog red cat dog red cat dog red x y",
    )
    assert (prompts.count_tokens(""), prompts.count_tokens(fits), prompts.count_tokens(longer)) == (
        2,
        12,
        13,
    )
    prompts.encode(fits)
    with pytest.raises(ConfigError, match=rf"dataset\.prompts\[1\].*{longer}.*13 tokens.*takes 12"):
        prompts.encode(longer, "dataset.prompts[1]")


@pytest.mark.parametrize("prompt", [None, 3, ["cat"]])
def test_a_missing_prompt_is_refused(prompts: PromptEncoder, prompt: str) -> None:
    with pytest.raises(ConfigError, match=r"first_prompt.*must be a text"):
        prompts.encode(prompt, "first_prompt")
