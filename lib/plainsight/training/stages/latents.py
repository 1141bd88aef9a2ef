"""The stage that caches a world's latents."""

from __future__ import annotations

from plainsight import latents, models
from plainsight.config import Scale
from plainsight.training.job import Job
from plainsight.training.processes import processes
from plainsight.training.stages.common import device, read_autoencoder, read_examples


def run(job: Job, scale: Scale) -> None:
    """Moments of every image of a world, by the foundation's autoencoder; shard by shard, each process its own."""
    everyone = processes()
    examples, root = read_examples(job.runs, job.world)
    rows = examples.drop_duplicates("image_id")
    vae = read_autoencoder(job, scale).eval().to(device())
    latents.make(
        vae,
        models.part_fingerprint(vae),
        rows,
        root,
        scale.resolution,
        scale.grounding.batch_size,
        job.output,
        everyone.process_index,
        everyone.num_processes,
    )
    everyone.wait_for_everyone()
    if everyone.is_main_process:
        latents.finish(rows, job.output)
