"""Composed impressions: a small grammar that writes a fact in more than a hundred ways.

It stands in for the hundred impressions a class that seed 000 (appendix, "ChatGPT impressions") had a language model
write with an emphasis on variability: finding, place and severity in varying order, then a remark.
"""

from __future__ import annotations

import numpy as np

from plainsight.worlds.sentences import Fact

NOUNS = {
    "Atelectasis": ("atelectasis", "subsegmental atelectasis", "atelectatic change"),
    "Cardiomegaly": ("cardiomegaly", "cardiac enlargement", "enlargement of the cardiac silhouette"),
    "Consolidation": ("consolidation", "focal consolidation", "airspace consolidation"),
    "Edema": ("pulmonary edema", "interstitial edema", "edema"),
    "Lung Opacity": ("opacity", "airspace opacity", "patchy opacification"),
    "Pleural Effusion": ("pleural effusion", "effusion", "layering pleural effusion"),
    "Pneumonia": ("pneumonia", "acute pneumonia", "bronchopneumonia"),
    "Pneumothorax": ("pneumothorax", "pneumothorax without tension", "simple pneumothorax"),
}
_AMOUNTS = {"trace": "trace", "small": "small", "moderate": "moderate", "large": "large"}
_DEGREES = {"trace": "minimal", "small": "mild", "moderate": "moderate", "large": "severe"}
_SIDES = {"left": "left", "right": "right", "both": "bilateral", "": ""}
_ADJECTIVES = {
    "upper": "upper lobe",
    "middle": "mid lung",
    "lower": "lower lobe",
    "apical": "apical",
    "basal": "basilar",
    "retrocardiac": "retrocardiac",
    "perihilar": "perihilar",
    "diffuse": "diffuse",
}
_PLEURAL_PLACES = ("on the {side}", "on both sides", "")
_PLACES = {
    "": ("in the {side} lung", "in both lungs", ""),
    "upper": ("in the {side} upper lobe", "in both upper lobes", "in the upper lobe"),
    "middle": ("in the {side} mid lung", "in both mid lungs", "in the mid lung"),
    "lower": ("in the {side} lower lobe", "in both lower lobes", "in the lower lobe"),
    "apical": ("at the {side} apex", "at both apices", "at the apex"),
    "basal": ("at the {side} lung base", "at both lung bases", "at the lung base"),
    "retrocardiac": (
        "in the {side} retrocardiac region",
        "in the retrocardiac region on both sides",
        "in the retrocardiac region",
    ),
    "perihilar": ("in the {side} perihilar region", "in both perihilar regions", "in the perihilar region"),
    "diffuse": ("throughout the {side} lung", "throughout both lungs", "in a diffuse distribution"),
}
_FRAMES = (
    "{phrase}",
    "there is {phrase}",
    "findings consistent with {phrase}",
    "findings are compatible with {phrase}",
    "{phrase} is present",
    "{phrase} is seen",
    "interval development of {phrase}",
    "imaging shows {phrase}",
    "the radiograph demonstrates {phrase}",
    "new {phrase}",
    "persistent {phrase}",
    "{phrase}, unchanged",
    "{phrase}, new since the prior examination",
    "radiographic evidence of {phrase}",
    "the appearance is most consistent with {phrase}",
)
_REMARKS = (
    "",
    "Clinical correlation recommended.",
    "Further evaluation recommended.",
    "Clinical correlation and further evaluation recommended to determine the underlying cause.",
    "Follow-up imaging advised.",
    "A repeat radiograph in six weeks is suggested.",
    "Comparison with prior studies would be helpful.",
    "Further evaluation recommended for proper management.",
)
_NORMAL_OPENINGS = (
    "No acute cardiopulmonary abnormality",
    "No acute cardiopulmonary process",
    "No acute cardiopulmonary disease",
    "No active disease of the chest",
    "Normal chest radiograph",
    "Unremarkable chest radiograph",
    "Normal examination of the chest",
    "The lungs are clear",
    "Clear lungs",
    "Lungs are clear and well expanded",
)
_NORMAL_REST = (
    "",
    "Heart size is normal.",
    "No pleural effusion or pneumothorax.",
    "The cardiac silhouette is within normal limits.",
    "No focal consolidation, effusion or pneumothorax.",
    "No evidence of pneumonia.",
    "Mediastinal contours are unremarkable.",
)


def write_fact(fact: Fact, rng: np.random.Generator, remark: bool = True) -> str:
    """One or two sentences that assert ``fact`` as it stands: nothing it leaves open is added."""
    phrase, frame = _phrase(fact, rng), str(rng.choice(_FRAMES))
    sentence = frame.format(phrase=phrase)
    tail = str(rng.choice(_REMARKS)) if remark else ""
    return f"{sentence[0].upper()}{sentence[1:]}. {tail}".strip()


def write_nothing(rng: np.random.Generator) -> str:
    """A normal impression."""
    rest = [str(part) for part in rng.choice(_NORMAL_REST, size=2, replace=False) if part]
    remark = str(rng.choice(_REMARKS[:2]))
    return " ".join([f"{rng.choice(_NORMAL_OPENINGS)}.", *rest, remark]).strip()


def _phrase(fact: Fact, rng: np.random.Generator) -> str:
    """Severity, place and noun, the place before the noun or after it."""
    pleural = fact.finding in ("Pleural Effusion", "Pneumothorax")
    degrees = _AMOUNTS if pleural else _DEGREES
    noun = str(rng.choice(NOUNS[fact.finding]))
    severity = degrees[fact.severity] if fact.severity else ""
    if fact.finding == "Cardiomegaly":
        return " ".join(filter(None, (severity, noun)))
    if rng.random() < 0.5 and (fact.side or fact.zone):
        one, both, open_side = _PLEURAL_PLACES if pleural and not fact.zone else _PLACES[fact.zone]
        place = {"both": both, "": open_side}.get(fact.side, one.format(side=fact.side))
        return f"{severity} {noun} {place}".strip()
    return " ".join(filter(None, (severity, _SIDES[fact.side], _ADJECTIVES.get(fact.zone, ""), noun)))
