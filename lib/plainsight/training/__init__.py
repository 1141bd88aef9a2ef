"""Training: the autoencoder, the text encoder's contrastive pretraining, the foundation and its fine-tuned variants."""

from plainsight.training.job import Job, launch, model_folder

__all__ = ["Job", "launch", "model_folder"]
