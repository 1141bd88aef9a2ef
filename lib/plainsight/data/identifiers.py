"""How credentialed data sets number patients, studies and images: what readers expect, and what may not travel."""

from __future__ import annotations

import re

MIMIC_PATIENT = r"1\d{7}"
MIMIC_STUDY = r"5\d{7}"
MIMIC_IMAGE = r"[0-9a-f]{8}(?:-[0-9a-f]{8}){4}"
"""Of MIMIC-CXR, MS-CXR and Chest ImaGenome."""
VINDR_IMAGE = r"[0-9a-f]{32}"

ANY = re.compile(
    rf"(?<![0-9a-z.])(?:p?{MIMIC_PATIENT}|s?{MIMIC_STUDY}|{MIMIC_IMAGE}|{VINDR_IMAGE})(?![0-9a-z])", re.IGNORECASE
)
"""One of them standing by itself or in a path; decimals of a number are none."""
