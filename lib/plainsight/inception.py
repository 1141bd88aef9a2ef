"""Inception-v3 as the Frechet inception distance has it (Heusel et al. 2017): TensorFlow's network of December 2015.

The weights were ported to PyTorch by M. Seitzer (mseitzer/pytorch-fid). The network is torchvision's but for the
pooling beside the convolutions: TensorFlow leaves the padding out of averages, and its last block takes maxima.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torchvision.models.inception import Inception3, InceptionA, InceptionC, InceptionE

SIDE = 299
"""Pixels of the images that it takes."""
CLASSES = 1008


class _Averaging:
    """An Inception block whose average leaves the padding out."""

    def _forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        *others, _ = super()._forward(x)
        return [*others, self.branch_pool(F.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False))]


class _A(_Averaging, InceptionA):
    pass


class _C(_Averaging, InceptionC):
    pass


class _E(_Averaging, InceptionE):
    pass


class _EMax(InceptionE):
    """The last block, which takes maxima in place of averages."""

    def _forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        *others, _ = super()._forward(x)
        return [*others, self.branch_pool(F.max_pool2d(x, 3, stride=1, padding=1))]


class Inception(Inception3):
    """Inception-v3 whose 2,048 features, before the last layer, are `features2`; untrained."""

    def __init__(self) -> None:
        super().__init__(num_classes=CLASSES, aux_logits=False, transform_input=False, init_weights=False)
        self.Mixed_5b, self.Mixed_5c, self.Mixed_5d = _A(192, 32), _A(256, 64), _A(288, 64)
        self.Mixed_6b, self.Mixed_6c, self.Mixed_6d, self.Mixed_6e = (
            _C(768, 128),
            _C(768, 160),
            _C(768, 160),
            _C(768, 192),
        )
        self.Mixed_7b, self.Mixed_7c = _E(1280), _EMax(2048)
        # So are features called in torchxrayvision's networks; the last layer names classes of photographs.
        self.classifier, self.fc = self.fc, torch.nn.Identity()

    def features2(self, images: torch.Tensor) -> torch.Tensor:
        """Features (B, 2048) of images (B, 3, H, W) in [-1, 1]."""
        return self(F.interpolate(images, (SIDE, SIDE), mode="bilinear", align_corners=False))
