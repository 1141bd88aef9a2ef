"""Models: the tokenizer against the papers, saving and loading, and what cannot be loaded."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import BertConfig, BertForMaskedLM, BertTokenizer, CLIPConfig, CLIPModel

from plainsight import models
from plainsight.config import AutoencoderConfig, TextEncoderConfig, UNetConfig
from plainsight.errors import InputError
from plainsight.tokenizer import longer_than_context, share_seen
from plainsight.tokens import token_weights

ROOT = Path(__file__).parents[1]


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
    assert longer_than_context(tokenizer, ["consolidation " * 75, "consolidation " * 76, "left"]) == 1
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


def test_weights_are_single_precision_whatever_the_files_say(folder, tmp_path):
    """Stable Diffusion 2's text encoder names half precision in its configuration; other folders hold half weights."""
    half = tmp_path / "half"
    shutil.copytree(folder, half)
    config = json.loads((half / "text_encoder" / "config.json").read_text())
    config.pop("dtype", None)
    (half / "text_encoder" / "config.json").write_text(json.dumps(config | {"torch_dtype": "float16"}))
    path = half / "unet" / "diffusion_pytorch_model.safetensors"
    save_file({name: weight.half() for name, weight in load_file(path).items()}, path, {"format": "pt"})
    loaded = models.load(half)
    for part in (loaded.vae, loaded.unet, loaded.text_encoder):
        assert {weight.dtype for weight in part.parameters()} == {torch.float32}
    assert loaded.unet(torch.zeros(1, 4, 8, 8), 1, loaded.encode_text(["small effusion"])).sample.isfinite().all()


@pytest.mark.parametrize("part", ["vae", "unet"])
def test_a_weight_that_is_missing_is_named(folder, tmp_path, part):
    broken = tmp_path / "broken"
    shutil.copytree(folder, broken)
    path = broken / part / "diffusion_pytorch_model.safetensors"
    weights = load_file(path)
    gone = next(name for name in weights if name.endswith("conv_out.weight"))
    save_file({name: weight for name, weight in weights.items() if name != gone}, path, {"format": "pt"})
    with pytest.raises(InputError, match=f"{part}: cannot be loaded .* weights are missing, first of all {gone}"):
        models.load(broken)


def test_a_damaged_part_is_named_in_one_line(folder, tmp_path):
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


# --- other text encoders ---

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "small", "left", "pleural", "effusion", "##s", "edema", "."]


@pytest.fixture
def bert(tmp_path):
    """A masked language model of the BERT kind as its authors save one, with its vocabulary."""
    folder = tmp_path / "bert"
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(WORDS), hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32
    )
    BertForMaskedLM(config).save_pretrained(folder)
    (folder / "vocab.txt").write_text("\n".join(WORDS) + "\n")
    (folder / "tokenizer_config.json").write_text(json.dumps({"do_lower_case": True, "model_max_length": 512}))
    return folder


@pytest.fixture
def clip(tmp_path):
    """A whole CLIP, text and image, with the tokenizer."""
    folder = tmp_path / "clip"
    torch.manual_seed(0)
    text = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    image = {**text, "image_size": 32, "patch_size": 16}
    CLIPModel(CLIPConfig(text_config=text, vision_config=image)).save_pretrained(folder)
    models.clip_tokenizer().save_pretrained(folder)
    return folder


def test_an_encoder_of_the_bert_kind_is_told_what_is_padding(model, bert):
    changed = models.with_text_encoder(model, bert)
    phrases = ["Small left pleural effusions.", "effusion"]
    found = changed.encode_text(phrases)
    assert found.shape == (2, 77, 16) and changed.unet is model.unet and changed.text_encoder is not model.text_encoder
    reference = BertForMaskedLM.from_pretrained(bert).bert.eval()
    tokenizer = BertTokenizer.from_pretrained(bert)
    for phrase, states in zip(phrases, found, strict=True):
        tokens = tokenizer(phrase, return_tensors="pt")
        with torch.no_grad():
            alone = reference(**tokens).last_hidden_state[0]
        assert torch.allclose(states[: len(alone)], alone, atol=1e-5)  # padding behind it changes nothing
    ids = changed.text_inputs(phrases)["input_ids"][0, :9]
    assert [WORDS[i] for i in ids] == [
        "[CLS]",
        *["small", "left", "pleural", "effusion", "##s", "."],
        "[SEP]",
        "[PAD]",
    ]


def test_words_of_an_encoder_of_the_bert_kind_can_be_located(model, bert):
    tokenizer = models.with_text_encoder(model, bert).tokenizer
    chosen = token_weights(tokenizer, "Small left pleural effusions.", "keyword", ("effusion",))
    assert chosen.tokens == ("effusion", "##s", ".") and chosen.matched and len(chosen.weights) == 77
    assert token_weights(tokenizer, "small", "start").weights[0] == 1
    assert token_weights(tokenizer, "small", "end").weights[2] == 1


def test_an_encoder_of_the_clip_kind_is_the_text_part_of_its_file(model, clip):
    changed = models.with_text_encoder(model, clip)
    reference = CLIPModel.from_pretrained(clip).text_model.eval()
    phrases = ["small left pleural effusion", "edema"]
    ids = models.token_ids(models.clip_tokenizer(), phrases)
    with torch.no_grad():
        assert torch.allclose(changed.encode_text(phrases), reference(ids).last_hidden_state, atol=1e-6)


@pytest.mark.parametrize("kind", ["bert", "clip"])
def test_a_model_with_another_encoder_is_saved_and_loaded(model, kind, tmp_path, request):
    changed = models.with_text_encoder(model, request.getfixturevalue(kind))
    models.save(changed, tmp_path / "saved")
    loaded = models.load(tmp_path / "saved")
    assert models.fingerprint(loaded) == models.fingerprint(changed) != models.fingerprint(model)
    phrases = ["small effusion", "a much longer text about the left pleural effusion " * 10]
    assert torch.equal(loaded.encode_text(phrases), changed.encode_text(phrases))


def test_the_published_chest_x_ray_encoder_is_of_the_bert_kind(model, bert):
    """Its configuration names a class that comes with the weights, which is never run."""
    config = json.loads((bert / "config.json").read_text())
    config |= {"model_type": "cxr-bert", "architectures": ["CXRBertModel"], "projection_size": 8}
    config["auto_map"] = {"AutoModel": "modeling_cxrbert.CXRBertModel"}
    (bert / "config.json").write_text(json.dumps(config))
    expected = BertForMaskedLM.from_pretrained(bert).bert.eval()
    changed = models.with_text_encoder(model, bert)
    inputs = changed.text_inputs(["pleural effusion"])
    with torch.no_grad():
        assert torch.allclose(
            changed.encode_text(["pleural effusion"]), expected(**inputs).last_hidden_state, atol=1e-6
        )


def test_pickled_weights_are_converted_as_the_manifest_says(model, bert):
    expected = models.fingerprint(models.with_text_encoder(model, bert))
    damage_format(bert)
    said = (ROOT / "data_manifests" / "weights" / "README.md").read_text(encoding="utf-8")
    commands = re.search(r"```\npython - FOLDER <<'END'\n(.*?)END\n```", said, flags=re.DOTALL)[1]
    convert = [sys.executable, "-c", commands, str(bert)]
    subprocess.run(convert, check=True)
    assert models.fingerprint(models.with_text_encoder(model, bert)) == expected
    (bert / "model.safetensors").unlink()
    torch.save({"run": subprocess.run}, bert / "pytorch_model.bin")
    refused = subprocess.run(convert, stderr=subprocess.PIPE, text=True)
    assert refused.returncode and "weights_only" in refused.stderr and not (bert / "model.safetensors").exists()


def damage_width(folder):
    BertForMaskedLM(
        BertConfig(vocab_size=12, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8)
    ).save_pretrained(folder)


def damage_weights(folder):
    weights = load_file(folder / "model.safetensors")
    kept = {name: value for name, value in weights.items() if "layer.1.output" not in name}
    save_file(kept, folder / "model.safetensors", {"format": "pt"})


def damage_kind(folder):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"model_type": "roberta"}))


def damage_format(folder):
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (damage_width, "the U-Net does not read text embeddings of width 8"),
        (damage_weights, "cannot be loaded as BertModel: weights are missing, first of all encoder.layer.1.output"),
        (damage_kind, "no text encoder of a known kind here .*'roberta'.*one of clip, clip_text_model, bert, cxr-bert"),
        (damage_format, "no weights as safetensors here; .*says how to make model.safetensors"),
        (shutil.rmtree, "no text encoder of a known kind here"),
        (lambda folder: (folder / "vocab.txt").unlink(), "a tokenizer of 5 tokens, a text encoder of 12"),
    ],
)
def test_an_encoder_that_does_not_fit_is_named(model, bert, damage, message):
    damage(bert)
    with pytest.raises(InputError, match=message) as caught:
        models.with_text_encoder(model, bert)
    assert "\n" not in str(caught.value)
