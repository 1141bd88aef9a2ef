"""Training: the autoencoder, the text encoder's contrastive pretraining, the foundation and its fine-tuned variants."""

from plainsight.training.job import Job, launch

__all__ = ["Job", "launch"]
