from pathlib import Path

import torch

from hgm.systems.hgm.back_view.settings import BackView
from hgm.systems.hgm.back_view.text import (
    BEGIN,
    END,
    LENGTH,
    make_text_encoder,
    make_tokenizer,
    vocabulary,
)


def test_every_word_of_the_prompts_is_one_token() -> None:
    tokenizer = make_tokenizer()
    for prompt in (BackView().prompt, BackView().negative_prompt):
        tokens = tokenizer.convert_ids_to_tokens(tokenizer(prompt).input_ids)
        words = prompt.lower().replace(",", " ,").split()
        assert tokens == [BEGIN, *(word + "</w>" for word in words), END]


def test_any_text_survives_encoding() -> None:
    tokenizer = make_tokenizer()
    text = "A Zürich jacket, 42 % 人 !"
    decoded = tokenizer.decode(tokenizer(text).input_ids, skip_special_tokens=True)
    assert decoded.replace(" ", "") == text.lower().replace(" ", "")


def test_captions_are_padded_and_told_apart() -> None:
    tokenizer = make_tokenizer()
    encoder = make_text_encoder(8, seed=0, heads=2)
    tokens = tokenizer(
        [BackView().prompt, ""], padding="max_length", max_length=LENGTH, return_tensors="pt"
    ).input_ids
    assert tokens.shape == (2, LENGTH)
    with torch.no_grad():
        hidden = encoder(tokens)[0]
    assert hidden.shape == (2, LENGTH, 8)
    assert (hidden[0] - hidden[1]).abs().max() > 0.1


def test_saved_tokenizer_encodes_the_same(tmp_path: Path) -> None:
    from transformers import CLIPTokenizer

    tokenizer = make_tokenizer()
    tokenizer.save_pretrained(tmp_path)
    again = CLIPTokenizer.from_pretrained(tmp_path, local_files_only=True)
    assert (
        again(BackView().negative_prompt, padding="max_length").input_ids
        == tokenizer(BackView().negative_prompt, padding="max_length").input_ids
    )
    assert again.model_max_length == LENGTH


def test_text_encoder_depends_on_the_seed_only() -> None:
    state = torch.get_rng_state()
    a, b, c = (make_text_encoder(8, seed, 2).state_dict() for seed in (1, 1, 2))
    key = "text_model.embeddings.token_embedding.weight"
    key = key if key in a else next(k for k in a if k.endswith("token_embedding.weight"))
    assert torch.equal(a[key], b[key])
    assert not torch.equal(a[key], c[key])
    assert torch.equal(torch.get_rng_state(), state)


def test_token_numbers_are_unique_and_dense() -> None:
    tokens, merges = vocabulary()
    assert sorted(tokens.values()) == list(range(len(tokens)))
    assert all(a in tokens and b in tokens and a + b in tokens for a, b in merges)
