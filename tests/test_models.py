"""Models: the tokenizer against the papers, saving and loading, and what cannot be loaded."""

import pytest
import torch

from plainsight import models
from plainsight.config import AutoencoderConfig, TextEncoderConfig, UNetConfig
from plainsight.errors import InputError
from plainsight.tokenizer import share_seen


@pytest.fixture(scope="module")
def model():
    return models.Model(
        vae=models.build_autoencoder(AutoencoderConfig(4, (8, 8, 8, 8), 1, 4, 1, 1, 1e-3, 0.0), 0),
        unet=models.build_unet(UNetConfig((8, 16), 1, 2, 4), 8, 4, 16, 0),
        text_encoder=models.build_text_encoder(TextEncoderConfig(16, 1, 2, 1, 1, 1e-3), 0),
        tokenizer=models.clip_tokenizer(),
        scheduler=models.noise_scheduler(),
    )


@pytest.fixture(scope="module")
def folder(model, tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "saved"
    models.save(model, path)
    return path


def test_words_split_as_in_the_papers():
    tokenizer = models.clip_tokenizer()
    assert len(tokenizer) == 49408
    assert len(tokenizer.tokenize("consolidation")) == 1
    assert len(tokenizer.tokenize("cardiomegaly")) == 4


def test_share_of_sub_tokens_seen_counts_types_and_occurrences():
    # Asked: left twice, right, and the four sub-tokens of cardiomegaly; seen of these: left.
    tokenizer = models.clip_tokenizer()
    types, occurrences = share_seen(tokenizer, ["a ball to the left"], ["left cardiomegaly", "right left"])
    assert (types, occurrences) == (1 / 6, 2 / 7)


def test_leaving_out_the_last_layer_gives_the_normalised_states_before_it():
    encoder = models.build_text_encoder(TextEncoderConfig(16, 3, 2, 1, 1, 1e-3), 0).eval()
    torch.nn.init.normal_(encoder.final_layer_norm.weight)
    ids = models.token_ids(models.clip_tokenizer(), ["no edema", "small effusion"])
    before = encoder(ids, output_hidden_states=True).hidden_states[-2]
    shorter = models.without_last_layer(encoder)
    assert shorter.config.num_hidden_layers == 2
    assert torch.equal(shorter(ids).last_hidden_state, encoder.final_layer_norm(before))


def test_token_ids_agree_with_open_clip():
    from open_clip import tokenize

    phrase = "Small right-sided pleural effusion, 1.5 cm; XXXX unchanged."
    assert models.token_ids(models.clip_tokenizer(), [phrase]).tolist() == tokenize(phrase).tolist()


def test_a_saved_model_loads_unchanged_and_in_diffusers_pipeline(model, folder):
    loaded = models.load(folder)
    phrases = ["edema", "no finding"]
    assert torch.allclose(loaded.encode_text(phrases), model.encode_text(phrases), atol=1e-6)
    pipeline = models.StableDiffusionPipeline.from_pretrained(folder, safety_checker=None)
    image = pipeline("edema", num_inference_steps=2, height=64, width=64).images[0]
    assert image.size == (64, 64)


def test_equal_seeds_build_equal_models():
    config = UNetConfig((8, 16), 1, 2, 4)
    first, second, other = (models.build_unet(config, 8, 4, 16, seed).state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)


def test_images_are_encoded_to_an_eighth_of_their_side(model):
    mean, logvar = model.encode_images(torch.zeros(2, 3, 64, 48))
    assert mean.shape == logvar.shape == (2, 4, 8, 6)


def test_a_folder_that_is_no_model_is_named(tmp_path):
    with pytest.raises(InputError, match=r"no model_index\.json"):
        models.load(tmp_path)


def test_weights_that_were_not_kept_are_named(folder):
    with pytest.raises(InputError, match="no weights 'step9' here; kept: raw"):
        models.load(folder, weights="step9")


def test_a_damaged_part_is_named_in_one_line(folder, tmp_path):
    import shutil

    broken = tmp_path / "broken"
    shutil.copytree(folder, broken)
    (broken / "unet" / "diffusion_pytorch_model.safetensors").write_bytes(b"garbage")
    with pytest.raises(InputError, match="unet: cannot be loaded as UNet2DConditionModel") as caught:
        models.load(broken)
    assert "\n" not in str(caught.value)


def test_a_fingerprint_names_what_a_model_computes(tiny_model, tiny_model_dir, tmp_path):
    name = models.fingerprint(tiny_model)
    models.save(tiny_model, tmp_path / "again")
    assert (
        models.fingerprint(models.load(tmp_path / "again")) == models.fingerprint(models.load(tiny_model_dir)) == name
    )
    weight, config = models.load(tiny_model_dir), models.load(tiny_model_dir)
    weight.text_encoder.get_input_embeddings().weight.data[7, 0] += 1
    config.scheduler.register_to_config(beta_end=0.02)
    padded = models.load(tiny_model_dir)
    padded.tokenizer.pad_token = "<|endoftext|>"
    assert len({name, *map(models.fingerprint, (weight, config, padded))}) == 4
