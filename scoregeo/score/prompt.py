"""Prompts to embeddings."""

from abc import ABC, abstractmethod
from typing import Any

import torch

from scoregeo._utils.errors import ConfigError
from scoregeo.score.offload import resident


class AbstractPrompts(ABC):
    """Prompts to embeddings [rows, width]: all that a network takes of a prompt in one tensor, so
    that two prompts are interpolated by interpolating their embeddings.

    Each prompt is encoded once and kept.
    """

    def __init__(self) -> None:
        self._known: dict[str, torch.Tensor] = {}

    @property
    @abstractmethod
    def networks(self) -> tuple[torch.nn.Module, ...]:
        """What has weights."""

    @property
    @abstractmethod
    def device(self) -> torch.device:
        """Where embeddings lie."""

    @abstractmethod
    def _check_text(self, prompt: str, key: str) -> None:
        """Raise ConfigError where the model does not take this text."""

    @abstractmethod
    def _encoded(self, prompt: str) -> torch.Tensor:
        """Embedding [rows, width] of a prompt that was checked."""

    def check(self, prompt: str | None, key: str = "prompt") -> None:
        """Raise ConfigError where the prompt is missing ("" is not: it is the empty prompt) or
        longer than the model takes.
        """
        if not isinstance(prompt, str):
            raise ConfigError(
                f"{key} = {prompt!r} is not allowed: {key} must be a text ('' for the empty"
                " prompt)."
            )
        if not prompt.isascii() and prompt != prompt.encode(errors="replace").decode():
            raise ConfigError(f"{key} = {prompt!r} is not allowed: it is not text in UTF-8.")
        self._check_text(prompt, key)

    @torch.no_grad()
    def encode(self, prompt: str, key: str = "prompt") -> torch.Tensor:
        """Embedding [rows, width] of a prompt. Raises ConfigError as `check` does: nothing is cut
        off.
        """
        if not isinstance(prompt, str) or prompt not in self._known:
            self.check(prompt, key)
            with resident(*self.networks):
                self._known[prompt] = self._encoded(prompt)
        return self._known[prompt]

    def negative(self, prompt: str | None) -> torch.Tensor:
        """Embedding of a negative prompt; None stands for what diffusers' pipeline takes then."""
        return self.encode("" if prompt is None else prompt, "negative_prompt")

    def forget(self) -> None:
        """Drop the embeddings kept: a text encoder was moved to another device or type."""
        self._known.clear()


class TextEncoder:
    """A tokenizer and its network (CLIP's or T5's)."""

    def __init__(self, tokenizer: Any, network: Any, max_tokens: int | None = None) -> None:
        """`max_tokens`: length to which prompts are padded; by default what CLIP takes."""
        self.tokenizer = tokenizer
        self.network = network.eval().requires_grad_(False)
        # A tokenizer saved without its length says 1e30.
        self.max_tokens = (
            min(int(tokenizer.model_max_length), int(network.config.max_position_embeddings))
            if max_tokens is None
            else max_tokens
        )

    def count_tokens(self, prompt: str) -> int:
        """Tokens of a prompt, its start and end included."""
        return len(
            self.tokenizer(
                self.expanded(prompt), padding=False, truncation=False, verbose=False
            ).input_ids
        )

    def expanded(self, prompt: str) -> str:
        """The prompt with every token of several vectors (textual inversion) written as all of
        them: `<cat>` as `<cat> <cat>_1 <cat>_2`.
        """
        added = self.tokenizer.added_tokens_encoder
        for token in dict.fromkeys(self.tokenizer.tokenize(prompt)):
            if token not in added or f"{token}_1" not in added:
                continue
            every, number = [token], 1
            while f"{token}_{number}" in added:
                every.append(f"{token}_{number}")
                number += 1
            prompt = prompt.replace(token, " ".join(every))
        return prompt

    def __call__(self, prompt: str, **options: Any) -> Any:
        """What the network says of the prompt, padded to full length and cut where it is longer."""
        tokens = self.tokenizer(
            self.expanded(prompt),
            padding="max_length",
            max_length=self.max_tokens,
            truncation=True,
            return_tensors="pt",
        )
        masked = getattr(self.network.config, "use_attention_mask", False)
        mask = tokens.attention_mask.to(self.network.device) if masked else None
        return self.network(
            tokens.input_ids.to(self.network.device), attention_mask=mask, **options
        )


def check_length(encoders: tuple[TextEncoder, ...], prompt: str, key: str) -> None:
    """Raise ConfigError where no encoder takes the prompt whole: those that take fewer tokens than
    another read its beginning, as in diffusers.
    """
    longest = max(encoders, key=lambda encoder: encoder.max_tokens)
    count = longest.count_tokens(prompt)
    if count > longest.max_tokens:
        raise ConfigError(
            f"{key} = {prompt!r} is not allowed: it has {count} tokens with start and end, the"
            f" model takes {longest.max_tokens}."
        )


class PromptEncoder(AbstractPrompts):
    """CLIP's text encoder as Stable Diffusion uses it: last hidden state of the prompt padded to
    full length.
    """

    def __init__(self, tokenizer: Any, text_encoder: Any) -> None:
        """`tokenizer`: a `CLIPTokenizer`; `text_encoder`: a `CLIPTextModel`, which gives device and
        dtype of the embeddings.
        """
        super().__init__()
        self._encoder = TextEncoder(tokenizer, text_encoder)
        self.tokenizer, self.text_encoder = tokenizer, text_encoder
        self.max_tokens = self._encoder.max_tokens

    @property
    def networks(self) -> tuple[torch.nn.Module, ...]:
        return (self.text_encoder,)

    @property
    def device(self) -> torch.device:
        device: torch.device = self.text_encoder.device
        return device

    def count_tokens(self, prompt: str) -> int:
        """Tokens of a prompt, its start and end included."""
        return self._encoder.count_tokens(prompt)

    def _check_text(self, prompt: str, key: str) -> None:
        check_length((self._encoder,), prompt, key)

    def _encoded(self, prompt: str) -> torch.Tensor:
        embedding: torch.Tensor = self._encoder(prompt)[0][0]
        return embedding


def packed(tokens: torch.Tensor, pooled: torch.Tensor) -> torch.Tensor:
    """Token embeddings [rows, width] and a pooled one [size] in one tensor: the pooled one fills as
    many rows as it needs below the tokens, padded with zeros.
    """
    width = tokens.shape[1]
    padded = torch.nn.functional.pad(pooled, (0, -len(pooled) % width))
    return torch.cat([tokens, padded.reshape(-1, width).to(tokens)])


def unpacked(embedding: torch.Tensor, pooled: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Token embeddings [batch, rows, width] and pooled ones [batch, pooled] of what `packed` put
    together, [batch, rows, width].
    """
    rows = -(-pooled // embedding.shape[2])
    return embedding[:, :-rows], embedding[:, -rows:].flatten(1)[:, :pooled]
