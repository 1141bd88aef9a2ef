"""``plainsight score``: how well heat maps find what boxes or masks of one's own show."""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path

from plainsight.errors import InputError


def add(commands: argparse._SubParsersAction) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "score",
        help="score the heat maps of a table against its boxes or masks",
        description="Score the maps that plainsight ground wrote for a table against the table's boxes or masks, in "
        "the pixels of each image, inside the centre square. Writes scores.csv (a line a row, with every further "
        "column of the table), summary.csv (means with 95 % intervals by bootstrap of patients, over all rows and by "
        "finding) and contact_sheet.png (the best, the median and the worst rows by CNR).",
    )
    parser.add_argument("--maps", type=Path, required=True, metavar="DIR", help="the --out of plainsight ground")
    parser.add_argument(
        "--table",
        type=Path,
        required=True,
        metavar="CSV",
        help='the same table, with a column boxes ("x y w h; x y w h" in pixels of the image) or mask (a PNG file, '
        "inside where it is not zero)",
    )
    parser.add_argument(
        "--images", type=Path, required=True, metavar="DIR", help="folder that the table's paths are relative to"
    )
    parser.add_argument("--out", type=Path, required=True, help="folder to write to; made if missing")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Score every row, then write the three files, each whole or absent."""
    from plainsight import figures, files, mapscores
    from plainsight.worlds import folder

    table = folder.read(options.table, options.images)
    if not options.maps.is_dir():
        raise InputError(f"--maps {options.maps}: no such folder; run plainsight ground with this table first")
    files.writable_folder(options.out / "scores.csv")
    scores = mapscores.score_maps(table, options.images, options.maps)
    summary = mapscores.summarise(scores)
    for frame, name in ((scores, "scores.csv"), (summary, "summary.csv")):
        with files.atomic(options.out / name) as path:
            frame.to_csv(path, index=False, float_format="%.6g", lineterminator="\n", encoding="utf-8")
    print(f"{len(scores)} rows of {scores['patient'].nunique()} patients: {mapscores.headline(summary)}")
    if lost := int(scores["cnr"].isna().sum()):
        print(f"{lost} of {len(scores)} rows have no score: their target fills the centre square or lies outside it")
    bands = mapscores.choose(scores)
    if bands:
        rows = {
            name: [mapscores.picture(table, scores, i, options.images, options.maps) for i in places]
            for name, places in bands.items()
        }
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Glyph .* missing")  # scripts that the font lacks stay boxes
            figures.save(figures.contact_sheet(rows), options.out / "contact_sheet", "", (".png",))
