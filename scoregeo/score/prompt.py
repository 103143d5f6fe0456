"""Prompts to embeddings."""

from typing import Any

import torch

from scoregeo._utils.errors import ConfigError


class PromptEncoder:
    """CLIP's text encoder as Stable Diffusion uses it: last hidden state of the prompt padded to
    full length.

    Each prompt is encoded once and kept.
    """

    def __init__(self, tokenizer: Any, text_encoder: Any) -> None:
        """`tokenizer`: a `CLIPTokenizer`; `text_encoder`: a `CLIPTextModel`, which gives device and
        dtype of the embeddings.
        """
        self.tokenizer = tokenizer
        self.text_encoder = text_encoder.eval().requires_grad_(False)
        # A tokenizer saved without its length says 1e30.
        self.max_tokens = min(
            int(tokenizer.model_max_length), int(text_encoder.config.max_position_embeddings)
        )
        self._known: dict[str, torch.Tensor] = {}

    def count_tokens(self, prompt: str) -> int:
        """Tokens of a prompt, its start and end included."""
        return len(self.tokenizer(prompt, padding=False, truncation=False, verbose=False).input_ids)

    def check(self, prompt: str | None, key: str = "prompt") -> None:
        """Raise ConfigError where the prompt is missing ("" is not: it is the empty prompt) or
        longer than the model takes.
        """
        if not isinstance(prompt, str):
            raise ConfigError(
                f"{key} = {prompt!r} is not allowed: {key} must be a text ('' for the empty"
                " prompt)."
            )
        count = self.count_tokens(prompt)
        if count > self.max_tokens:
            raise ConfigError(
                f"{key} = {prompt!r} is not allowed: it has {count} tokens with start and end, the"
                f" model takes {self.max_tokens}."
            )

    @torch.no_grad()
    def encode(self, prompt: str, key: str = "prompt") -> torch.Tensor:
        """Embedding [tokens, width] of a prompt. Raises ConfigError as `check` does: nothing is cut
        off.
        """
        if not isinstance(prompt, str) or prompt not in self._known:
            self.check(prompt, key)
            tokens = self.tokenizer(
                prompt, padding="max_length", max_length=self.max_tokens, return_tensors="pt"
            )
            masked = getattr(self.text_encoder.config, "use_attention_mask", False)
            mask = tokens.attention_mask.to(self.text_encoder.device) if masked else None
            self._known[prompt] = self.text_encoder(
                tokens.input_ids.to(self.text_encoder.device), attention_mask=mask
            )[0][0]
        return self._known[prompt]

    def forget(self) -> None:
        """Drop the embeddings kept: the text encoder was moved to another device or type."""
        self._known.clear()
