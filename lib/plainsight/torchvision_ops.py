"""Let torchvision (and with it diffusers and torchxrayvision) import where its compiled operators cannot load.

Imported for its effect just before torchvision is (``plainsight/__init__.py`` sees to it). A torchvision wheel built
for CUDA beside a CPU build of torch cannot load its native library, and then fails with "operator torchvision::nms
does not exist" while it registers shape functions. Declaring the two schemas is enough: nothing in this project calls
the operators.
Where the native library loads, nothing is declared, since a second definition raises.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import torch


def _native_library_loads() -> bool:
    folder = Path(importlib.util.find_spec("torchvision").origin).parent
    try:
        for library in sorted(folder.glob("_C.*")):
            torch.ops.load_library(library)
    except OSError:
        return False
    return hasattr(torch.ops.torchvision, "nms")


if not _native_library_loads():
    _library = torch.library.Library("torchvision", "DEF")
    for _name in ("nms", "qnms"):
        _library.define(f"{_name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
