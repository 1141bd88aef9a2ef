"""Plainsight: do fine-tuned text-to-image diffusion models still know where their words are?"""

__version__ = "0.1.0"
