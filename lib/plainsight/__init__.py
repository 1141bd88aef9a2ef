"""Plainsight: do fine-tuned text-to-image diffusion models still know where their words are?"""

import sys
from importlib.abc import MetaPathFinder

__version__ = "0.1.0"


class _BeforeTorchvision(MetaPathFinder):
    """Mends torchvision (see ``torchvision_ops``) just before whichever library imports it first."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if name == "torchvision":
            sys.meta_path.remove(self)
            from plainsight import torchvision_ops  # noqa: F401


sys.meta_path.insert(0, _BeforeTorchvision())
