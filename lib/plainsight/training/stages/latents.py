"""The stage that caches a world's latents."""

from __future__ import annotations

from diffusers import AutoencoderKL

from plainsight import latents
from plainsight.config import Scale
from plainsight.training.job import Job
from plainsight.training.stages.common import device, read_examples, read_part


def run(job: Job, scale: Scale) -> None:
    """Moments of every image of a world, by the foundation's autoencoder."""
    examples, root = read_examples(job.runs, job.world)
    rows = examples.drop_duplicates("image_id")
    vae = read_part(AutoencoderKL, job, "autoencoder").eval().to(device())
    pixels = latents.load_pixels(root, rows, scale.resolution)
    latents.write(latents.encode(vae, pixels, rows["image_id"], scale.grounding.batch_size), job.output)
