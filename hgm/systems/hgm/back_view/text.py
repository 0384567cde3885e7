"""A tiny tokenizer and text encoder with CLIP's classes, made without a download.

The vocabulary has every byte, so any text can be encoded, and one token for each word of the
prompts.
"""

from __future__ import annotations

from typing import Any, cast

import torch

from hgm.core.keys import derived_seed

BEGIN = "<|startoftext|>"
END = "<|endoftext|>"
LENGTH = 77  # tokens, as in CLIP
# in this order, no merge of one word breaks another word: "ha" comes before "an"
WORDS = ("best", "quality", "blur", "lowres", "bad", "hands", "anatomy", "cropped", "worst")


def byte_letters() -> list[str]:
    """The 256 printable letters that byte-level BPE writes in place of the bytes 0..255."""
    printable = [
        *range(ord("!"), ord("~") + 1),
        *range(ord("¡"), ord("¬") + 1),
        *range(ord("®"), ord("ÿ") + 1),
    ]
    extra = iter(range(256, 512))
    return [chr(b) if b in printable else chr(next(extra)) for b in range(256)]


def vocabulary(words: tuple[str, ...] = WORDS) -> tuple[dict[str, int], list[tuple[str, str]]]:
    """Tokens with their numbers, and the merges that build each word from its first letter, letter
    by letter."""
    letters = byte_letters()
    tokens = letters + [letter + "</w>" for letter in letters]
    merges: list[tuple[str, str]] = []
    for word in words:
        left = word[0]
        for i, letter in enumerate(word[1:], 1):
            right = letter + ("</w>" if i == len(word) - 1 else "")
            if (left, right) not in merges:
                merges.append((left, right))
                tokens.append(left + right)
            left += right
    return {token: i for i, token in enumerate([*tokens, BEGIN, END])}, merges


def make_tokenizer() -> Any:
    """A `CLIPTokenizer` of the vocabulary above; texts are lower-cased and padded with the end
    token."""
    from transformers import CLIPTokenizer

    tokens, merges = vocabulary()
    return CLIPTokenizer(
        vocab=tokens,
        merges=cast(Any, merges),
        unk_token=END,
        bos_token=BEGIN,
        eos_token=END,
        pad_token=END,
        model_max_length=LENGTH,
    )


def make_text_encoder(width: int, seed: int, heads: int = 4) -> Any:
    """A frozen random `CLIPTextModel` with one layer: it only has to distinguish captions."""
    from transformers import CLIPTextConfig, CLIPTextModel

    tokens, _ = vocabulary()
    config = CLIPTextConfig(
        vocab_size=len(tokens),
        hidden_size=width,
        intermediate_size=2 * width,
        projection_dim=width,
        num_hidden_layers=1,
        num_attention_heads=heads,
        max_position_embeddings=LENGTH,
        bos_token_id=tokens[BEGIN],
        eos_token_id=tokens[END],
        pad_token_id=tokens[END],
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derived_seed(seed, "text encoder"))
        return CLIPTextModel(config).eval().requires_grad_(False)
