"""Plainsight: do fine-tuned text-to-image diffusion models still know where their words are?

The four papers go by numbers in docstrings and comments, in the order in which they were taken up: seed 000 is the
trade-off paper (Dombrowski et al., AAAI 2024), seed 001 Generate to Ground (Nützel et al., MIDL 2025), seed 003
prompt tuning (Vilouras et al. 2025), seed 004 zero-shot grounding (Vilouras et al. 2024). What they print stands in
``paper_tables/published``.
"""

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
