"""The cache of latents: rows by image, samples of the posterior, shards that are made again if need be, damage."""

import numpy as np
import pandas as pd
import pytest
import torch

from plainsight import latents, models, schema
from plainsight.config import AutoencoderConfig
from plainsight.errors import InputError


@pytest.fixture
def moments():
    generator = torch.Generator().manual_seed(0)
    mean = torch.randn(3, 4, 2, 2, generator=generator)
    return latents.Moments(("a", "b", "c"), mean, torch.rand(3, 4, 2, 2, generator=generator))


@pytest.fixture(scope="module")
def vae():
    return models.build_autoencoder(AutoencoderConfig(4, (8, 8, 8, 8), 1, 4, 1, 1, 1e-3, 0.0), 0).eval()


@pytest.fixture
def world(tmp_path, monkeypatch):
    """Seven images, in shards of three."""
    monkeypatch.setattr(latents, "SHARD", 3)
    rng = np.random.default_rng(0)
    for number in range(7):
        schema.write_image(rng.random((16, 16), dtype=np.float32), tmp_path / f"{number}.png")
    rows = [{"image_id": f"i{n}", "example_id": f"e{n}", "image": f"{n}.png", "width": 16} for n in range(7)]
    return tmp_path, pd.DataFrame(rows).assign(height=16)


def make(vae, world, key="vae", **share):
    root, examples = world
    latents.make(vae, key, examples, root, 16, 2, root / "latents", **share)
    latents.finish(examples, root / "latents")
    return latents.read(root / "latents")


def written(world):
    """When each shard was written."""
    return {path.name: path.stat().st_mtime_ns for path in (world[0] / "latents").glob("*.safetensors")}


def test_rows_follow_the_images_asked_for(moments):
    assert moments.rows(["c", "a", "c"]).tolist() == [2, 0, 2]
    with pytest.raises(InputError, match="image 'd' is not in the cache"):
        moments.rows(["a", "d"])


def test_samples_have_the_posterior_s_mean_and_spread(moments):
    generator = torch.Generator().manual_seed(1)
    samples = torch.stack([moments.sample(torch.tensor([1]), generator)[0] for _ in range(4000)])
    assert torch.allclose(samples.mean(0), moments.mean[1], atol=0.06)
    assert torch.allclose(samples.std(0), moments.std[1], atol=0.06)


def test_a_share_of_a_sample_is_what_its_rows_get_in_the_whole(moments):
    rows = torch.tensor([2, 0, 1, 2])
    whole, share = (moments.sample(rows, torch.Generator().manual_seed(1), part) for part in (slice(None), slice(1, 3)))
    assert torch.equal(share, whole[1:3])


def test_a_cache_holds_what_the_autoencoder_says_image_by_image(vae, world):
    root, examples = world
    moments = make(vae, world)
    assert moments.image_ids == tuple(examples["image_id"]) and sorted(written(world)) == [
        f"0000{number}.safetensors" for number in range(3)
    ]
    pixels = latents.load_pixels(root, examples, 16)
    mean, std = latents.encode(vae, pixels)
    rows = torch.tensor([6, 0, 3, 2])
    assert torch.allclose(moments.mean[rows], mean[rows], atol=1e-5)
    assert torch.allclose(moments.std[rows], std[rows], atol=1e-5)
    assert len(moments.mean) == 7 and moments.mean.shape == mean.shape


def test_batches_and_shards_are_cut_alike(vae, world, monkeypatch):
    """Shards that are a multiple of the batch change no batch, so no digit."""
    root, examples = world
    whole = latents.encode(vae, latents.load_pixels(root, examples.iloc[:2], 16))[0]
    monkeypatch.setattr(latents, "SHARD", 4)
    assert torch.equal(make(vae, world).mean[torch.tensor([0, 1])], whole)


def test_processes_share_the_shards_and_make_the_same_cache(vae, world, tmp_path):
    root, examples = world
    alone = make(vae, world)
    for process in (1, 0):
        latents.make(vae, "vae", examples, root, 16, 2, tmp_path / "shared", process, 2)
    latents.finish(examples, tmp_path / "shared")
    for path in (root / "latents").iterdir():
        assert (tmp_path / "shared" / path.name).read_bytes() == path.read_bytes()
    assert torch.equal(alone.mean[torch.arange(7)], latents.read(tmp_path / "shared").mean[torch.arange(7)])


def test_what_is_there_is_left_and_what_changed_is_made_again(vae, world, monkeypatch):
    root, _ = world
    make(vae, world)
    before = written(world)
    (root / "latents" / latents.INDEX).unlink()
    make(vae, world)
    assert written(world) == before
    schema.write_image(np.zeros((16, 16), dtype=np.float32), root / "4.png")  # in the second shard
    make(vae, world)
    assert [name for name, time in written(world).items() if time != before[name]] == ["00001.safetensors"]
    before = written(world)
    make(vae, world, key="another")
    assert all(time != before[name] for name, time in written(world).items())
    before = written(world)
    monkeypatch.setattr(latents, "_CODE", latents._CODE[:1])
    make(vae, world, key="another")
    assert all(time != before[name] for name, time in written(world).items())


def test_a_run_that_was_stopped_has_no_index_and_goes_on(vae, world, monkeypatch):
    root, examples = world
    with monkeypatch.context() as patch:
        patch.setattr(latents, "_load_one", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            make(vae, world)
    with pytest.raises(InputError, match="no latents here; make them first"):
        latents.read(root / "latents")
    latents.make(vae, "vae", examples, root, 16, 2, root / "latents", process=1, processes=3)
    first = written(world)
    assert list(first) == ["00001.safetensors"]
    make(vae, world)
    assert written(world)["00001.safetensors"] == first["00001.safetensors"]


def test_files_of_an_earlier_larger_world_are_removed(vae, world):
    root, examples = world
    make(vae, world)
    assert len(make(vae, (root, examples.head(4))).mean) == 4
    assert sorted(written(world)) == ["00000.safetensors", "00001.safetensors"]


@pytest.mark.parametrize("content", [b"", b"garbage", b"\x10\x00\x00\x00\x00\x00\x00\x00{}", None])
def test_a_damaged_shard_is_named_and_made_again(vae, world, content):
    root, _ = world
    good = make(vae, world).mean[torch.arange(7)]
    path = root / "latents" / "00001.safetensors"
    whole = path.read_bytes()
    path.write_bytes(whole[:-10] if content is None else content)
    with pytest.raises(
        InputError, match=r"00001\.safetensors: the cache of latents is damaged.*delete its index"
    ) as caught:
        latents.read(root / "latents")
    assert "\n" not in str(caught.value)
    (root / "latents" / latents.INDEX).unlink()
    assert torch.equal(make(vae, world).mean[torch.arange(7)], good)
    assert path.read_bytes() == whole


def test_a_flipped_bit_of_a_latent_is_made_good(vae, world):
    path = world[0] / "latents" / "00001.safetensors"
    make(vae, world)
    whole, before = path.read_bytes(), written(world)
    path.write_bytes(whole[:-9] + bytes([whole[-9] ^ 1]) + whole[-8:])
    make(vae, world)
    assert path.read_bytes() == whole
    assert [name for name, time in written(world).items() if time != before[name]] == ["00001.safetensors"]


def test_a_shard_that_is_missing_or_another_s_is_named(vae, world):
    root, _ = world
    make(vae, world)
    first, second = (root / "latents" / f"0000{number}.safetensors" for number in (0, 1))
    kept = second.read_bytes()
    second.write_bytes(first.read_bytes())
    with pytest.raises(InputError, match=r"00001\.safetensors: .*not the shard that the index names"):
        latents.read(root / "latents")
    second.unlink()
    with pytest.raises(InputError, match=r"00001\.safetensors: the cache of latents is damaged"):
        latents.read(root / "latents")
    second.write_bytes(kept)
    latents.read(root / "latents")


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"keys": {}, "images": 0}', '{"keys": 3, "images": 1}'])
def test_a_damaged_index_is_named(vae, world, content):
    folder = world[0] / "latents"
    make(vae, world)
    (folder / latents.INDEX).write_text(content)
    with pytest.raises(InputError, match=r"index\.json: the cache of latents is damaged") as caught:
        latents.read(folder)
    assert "\n" not in str(caught.value)


def test_a_missing_cache_is_named(tmp_path):
    with pytest.raises(InputError, match="no latents here"):
        latents.read(tmp_path / "latents")


def test_a_latent_that_is_not_finite_is_named_by_its_image(vae, world, monkeypatch):
    monkeypatch.setattr(latents, "encode", lambda _, pixels: (torch.tensor([[1.0], [float("nan")]]), torch.ones(2, 1)))
    with pytest.raises(InputError, match="image 'i1': its latent is not finite"):
        make(vae, world)
    assert not written(world)


def test_a_missing_image_is_named(vae, world):
    (world[0] / "5.png").unlink()
    with pytest.raises(InputError, match="row e5: no such image file"):
        make(vae, world)


def test_an_image_that_cannot_be_read_is_named_by_its_row(vae, world):
    (world[0] / "5.png").unlink()
    (world[0] / "5.png").mkdir()
    with pytest.raises(InputError, match="row e5: Is a directory"):
        make(vae, world)


def test_the_scaling_factor_is_applied(vae):
    pixels = torch.randint(0, 256, (5, 3, 32, 32), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    before, factor = latents.encode(vae, pixels)[0], vae.config.scaling_factor
    vae.register_to_config(scaling_factor=2 * factor)
    after = latents.encode(vae, pixels)[0]
    vae.register_to_config(scaling_factor=factor)
    assert torch.allclose(after, 2 * before)


def test_pixels_are_cropped_to_a_square_and_grey_is_repeated(tmp_path):
    image = np.zeros((20, 40), dtype=np.float32)
    image[:, 10:30] = 1.0
    schema.write_image(image, tmp_path / "grey.png")
    row = {"example_id": "e", "image": "grey.png", "width": 40, "height": 20}
    pixels = latents.load_pixels(tmp_path, pd.DataFrame([row]), 20)
    assert pixels.shape == (1, 3, 20, 20) and (pixels == 255).all()
