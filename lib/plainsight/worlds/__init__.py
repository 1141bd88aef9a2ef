"""Worlds: where images, phrases and boxes come from.

Each world declares its own findings. ``build`` writes a world to a folder: ``examples.parquet`` (see
``plainsight.schema``), where models are trained ``texts.parquet``, where images are drawn these and their masks, and,
last of all, ``world.json``. A table and images of one's own are not built but read as they lie
(``plainsight.worlds.folder``).
"""

from __future__ import annotations

import importlib
import json
from pathlib import Path

from plainsight.config import Experiments, Scale, WorldSize
from plainsight.errors import InputError
from plainsight.files import atomic

NO_FINDING = "No Finding"
OTHER = "Other"
"""What an image shows whose labels are all foreign to its world, or that has none: in training sets alone."""
OPEN = frozenset({"phantom", "scenes", "nih"})
"""Worlds whose images and score rows anybody may pass on; of every other one nothing but aggregates may travel."""

FINDINGS: dict[str, tuple[str, ...]] = {
    "phantom": (
        "Atelectasis",
        "Cardiomegaly",
        "Consolidation",
        "Edema",
        "Lung Opacity",
        "Pleural Effusion",
        "Pneumonia",
        "Pneumothorax",
        "No Finding",
    ),
    "scenes": (
        "ball",
        "boat",
        "box",
        "car",
        "cup",
        "fish",
        "flower",
        "house",
        "kite",
        "moon",
        "star",
        "tree",
    ),
    "nih": (
        "Atelectasis",
        "Cardiomegaly",
        "Effusion",
        "Infiltrate",
        "Mass",
        "Nodule",
        "Pneumonia",
        "Pneumothorax",
        "No Finding",
    ),
}
"""The findings each world declares, spelled as its source spells them (MS-CXR; the NIH box list; object names)."""
FINDINGS["ms_cxr"] = (*FINDINGS["phantom"], OTHER)
# The 80 classes of MS-COCO, in its order.
FINDINGS["coco"] = (
    *("person", "bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck", "boat", "traffic light"),
    *("fire hydrant", "stop sign", "parking meter", "bench", "bird", "cat", "dog", "horse", "sheep", "cow"),
    *("elephant", "bear", "zebra", "giraffe", "backpack", "umbrella", "handbag", "tie", "suitcase", "frisbee"),
    *("skis", "snowboard", "sports ball", "kite", "baseball bat", "baseball glove", "skateboard", "surfboard"),
    *("tennis racket", "bottle", "wine glass", "cup", "fork", "knife", "spoon", "bowl", "banana", "apple"),
    *("sandwich", "orange", "broccoli", "carrot", "hot dog", "pizza", "donut", "cake", "chair", "couch"),
    *("potted plant", "bed", "dining table", "toilet", "tv", "laptop", "mouse", "remote", "keyboard", "cell phone"),
    *("microwave", "oven", "toaster", "sink", "refrigerator", "book", "clock", "vase", "scissors", "teddy bear"),
    *("hair drier", "toothbrush", OTHER),
)

NIH_TO_MSCXR: dict[str, str] = {
    "Atelectasis": "Atelectasis",
    "Cardiomegaly": "Cardiomegaly",
    "Effusion": "Pleural Effusion",
    "Infiltrate": "Lung Opacity",
    "Mass": "Lung Opacity",
    "Nodule": "Lung Opacity",
    "Pneumonia": "Pneumonia",
    "Pneumothorax": "Pneumothorax",
    "No Finding": "No Finding",
}
"""The MS-CXR finding that each NIH finding comes closest to, for tables that show a model carried over.

Effusion is the same sign under a shorter name. Infiltrate, Mass and Nodule have no class of their own in MS-CXR:
all three are opacities of the lung, which is what CheXpert's Lung Opacity, and so MS-CXR's, takes in. MS-CXR's
Consolidation and Edema have no boxes in NIH.
"""

KEYWORDS: dict[str, tuple[str, ...]] = {
    # Seed 000, Table 9; "consolidations", "consolidative" and "pneumothoraces" are in its code only.
    "Atelectasis": ("atelectasis", "atelectatic"),
    "Cardiomegaly": ("cardiomegaly", "cardiac"),
    "Consolidation": ("consolidation", "consolidations", "consolidative"),
    "Edema": ("edema",),
    "Lung Opacity": ("opacity", "opacities", "opacification"),
    "Pleural Effusion": ("pleural", "effusion", "effusions"),
    "Pneumonia": ("pneumonia",),
    "Pneumothorax": ("pneumothorax", "pneumothoraces"),
    NO_FINDING: (),
    OTHER: (),
    # NIH's own: Table 9 where the finding is the same under another name, else the class name and its forms.
    "Effusion": ("pleural", "effusion", "effusions"),
    "Infiltrate": ("infiltrate", "infiltrates", "infiltration"),
    "Mass": ("mass", "masses"),
    "Nodule": ("nodule", "nodules"),
    # Scenes and photographs: the words of the object's name, as seed 000 does on MS-COCO.
    **{name: tuple(name.split()) for world in ("scenes", "coco") for name in FINDINGS[world] if name != OTHER},
}
"""The words of a phrase that stand for a finding, in lower case; matched as substrings, as the authors' code does."""

DATA_SETS = {
    "nih": ("nih_chestxray14",),
    "ms_cxr": ("ms_cxr", "mimic_cxr_jpg", "mimic_cxr_reports"),
    "coco": ("coco_2017",),
}
"""Worlds that read data which this package does not make, and the names of their folders in data_manifests."""


def findings(world: str) -> tuple[str, ...]:
    """The findings that ``world`` declares; raises InputError listing the worlds there are."""
    if world not in FINDINGS:
        raise InputError(f"unknown world {world!r}; known: {', '.join(FINDINGS)}")
    return FINDINGS[world]


def placed(world: str) -> list[str]:
    """The findings of ``world`` that lie somewhere on an image: all but No Finding and Other."""
    return [name for name in findings(world) if name not in (NO_FINDING, OTHER)]


def build(world: str, size: WorldSize, scale: Scale, experiments: Experiments, out: Path, data: Path | None) -> None:
    """Make ``world`` in folder ``out``; the same arguments give the same bytes.

    ``data`` is the root of real images, for the worlds that need one: the data set's own folder or a root with one
    folder per name in data_manifests. Image paths in the table are relative to the ``image_root`` that
    ``world.json`` states, which is itself relative to ``out`` unless absolute.

    Raises:
        InputError: unknown world, or data that are missing or unreadable.
    """
    findings(world)
    root = _data_root(world, data)
    module = importlib.import_module(f"plainsight.worlds.{world}")
    module.build(size, scale, experiments, Path(out), root)
    with atomic(Path(out) / "world.json") as temporary:
        record = {"world": world, "image_root": "." if root is None else str(root.resolve())}
        temporary.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


def reads_data(world: str) -> bool:
    """Whether the images of ``world`` are given, not drawn here."""
    return world in DATA_SETS


def check_data(world: str, data: Path | None, trains: bool = False) -> None:
    """Raise the InputError with which ``build`` would refuse ``data``, without opening an image.

    ``trains``: whether there will be training images, too, and images made of texts; of a world that has them.
    """
    findings(world)
    root = _data_root(world, data)
    if root is not None:
        module = importlib.import_module(f"plainsight.worlds.{world}")
        module.check(root)
        if trains:
            module.check_training(root)


def image_root(out: Path) -> Path:
    """The folder that the image paths of the world built in ``out`` are relative to."""
    try:
        record = json.loads((Path(out) / "world.json").read_text(encoding="utf-8"))
        return Path(out) / record["image_root"]
    except FileNotFoundError:
        raise InputError(f"{out}: holds no world.json; prepare the world first") from None
    except (json.JSONDecodeError, KeyError, TypeError):
        raise InputError(f"{out}/world.json: not readable; delete it and prepare the world again") from None


def _data_root(world: str, data: Path | None) -> Path | None:
    """Where the images of ``world`` lie; None for a world that draws its own."""
    if not reads_data(world):
        return None
    names = DATA_SETS[world]
    readme = f"data_manifests/{names[0]}/README.md"
    if data is None:
        raise InputError(f"world {world!r} needs real images: give --data DIR (see {readme})")
    if not Path(data).is_dir():
        raise InputError(f"--data {data}: no such folder; see {readme}")
    named = Path(data) / names[0]
    return named if len(names) == 1 and named.is_dir() else Path(data)
