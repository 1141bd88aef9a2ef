r"""The words of chest radiograph reports: patterns of findings, normality, negation, hedging, place and size.

Data for ``plainsight.worlds.sentences``. All patterns are matched against lower-case text in which white space is
single spaces. "xxxx" is the mark that anonymisation leaves; it hides "angle", "line", "likely", "small", a date.
"""

from __future__ import annotations

import re

PARENCHYMAL = ("Atelectasis", "Consolidation", "Edema", "Lung Opacity", "Pneumonia")
"""Findings of the lung itself: what "lungs are clear" denies."""


def _any(*alternatives: str) -> str:
    return "(?:" + "|".join(alternatives) + ")"


def _words(listed: str) -> re.Pattern[str]:
    """A pattern that matches any of the words or phrases of a list separated by commas, whole."""
    return re.compile(r"\b" + _any(*" ".join(listed.split()).split(", ")) + r"\b")


# Findings ------------------------------------------------------------------------------------------------------------

HEART = r"(?:heart|cardiac|cardi[ao] ?-?mediastinal|cardio ?-?pericardial)"
_AIRSPACE = r"(?:air ?-?space|alveolar|parenchymal)"
_HAZY = (
    r"(?:hazy|patchy|streaky|linear|ill-defined|infiltrative|vague|stringy|bandlike|increased|airspace"
    r"|interstitial)"
)
_ANGLE = r"(?:cost[a-z]*phrenic|sulc[a-z]+|cp angle)"
_FILLER = r"(?:the|both|bilateral|left|right|lateral|posterior)"
# Up to seven words between the heart and "enlarged", none of which ends or turns the statement.
_HEART_IS = (
    rf"{HEART}(?: (?!borderline|upper|normal|within|unremarkable|mediastinal contours?|but|with"
    rf"|and the)[a-z/]+){{0,7}}?"
)

MENTIONS: dict[str, str] = {
    "Atelectasis": _any(
        r"atelectatic (?:[a-z]+ ){0,2}(?:opacit|densit|infiltrat)[a-z]*",
        r"atel[ae]?ct[a-z]*",
        r"(?:lung|lobe|lobar|pulmonary|segmental|complete|partial) collapse",
        r"collapse of (?:the )?(?:left|right|lung|lower|upper|middle)",
        r"volume loss",
    ),
    "Cardiomegaly": _any(
        r"cardiomegaly",
        r"(?:cardiac|heart) enlargement",
        rf"(?:enlargement|increase) (?:of|in) (?:size of )?(?:the )?{HEART}",
        rf"(?:enlarged|large|globular),? (?:appearing )?{HEART}(?: silhouette| size| contours?)?",
        rf"{_HEART_IS} (?:enlarged|large|increased in size)",
    ),
    "Consolidation": _any(
        r"consolidati(?:ve|ng) (?:[a-z]+ ){0,3}(?:opacit|infiltrat"
        r"|process)[a-z]*",
        r"consolidat[a-z]*",
    ),
    "Edema": _any(
        r"(?<!tissue )(?<!peripheral )o?edema(?:tous)?",
        r"(?:vascular|pulmonary|venous|central|mild) congesti[a-z]*(?: changes)?",
        r"(?<!respiratory )(?:congestive )?(?:(?:heart|cardiac) )?failure",
        r"\bchf\b",
        r"(?:fluid|volume) overload",
        r"kerley b? ?lines?",
    ),
    "Lung Opacity": _any(
        r"opacit[a-z]*",
        r"opacif[a-z]*",
        r"infiltrat(?:es?|ions?)\b",
        rf"{_AIRSPACE} (?:disease|process|infiltrates?|changes)",
        rf"(?:{_HAZY} )+densit(?:y|ies)",
    ),
    "Pleural Effusion": _any(
        r"(?<!pericardial )(?<!joint )effusions?",
        r"pleural (?:based )?fluid",
        rf"blunting of (?:{_FILLER} )*{_ANGLE}(?: (?:xxxx|angles?|recess[a-z]*|sulc[a-z]+))?",
        rf"{_ANGLE}(?: (?:xxxx|angles?|recess[a-z]*|sulc[a-z]+))?(?: is| are)?(?: mildly| slightly| again"
        rf"| minimally)?"
        r" blunt(?:ing|ed)",
        rf"blunt(?:ing|ed) (?:{_FILLER} )*{_ANGLE}",
    ),
    "Pneumonia": _any(
        r"(?:broncho)?pneumonias?\b",
        r"pneumonic (?:infiltrates?|process|consolidation)",
        r"infection\b",
        r"infectious(?: process| infiltrates?| etiology| disease)?",
    ),
    "Pneumothorax": r"(?:hydro[ -]?)?pneumothora(?:x|ces)\b",
}
MENTION = re.compile("|".join(rf"(?P<f{i}>(?<![a-z]){pattern})" for i, pattern in enumerate(MENTIONS.values())))

NOT_OPACITY = re.compile(
    r"(?:\b(?:nodul|round|mass|calci|metal|oval|ovoid|bon[ey])[a-z]*[ -]?(?:like )?(?:[a-z]+ )?|radio-?)$"
)
"""What stands before an "opacity" that is none of the lung's: nodules, masses, calcium, metal."""

DESCRIBES = re.compile(
    r"^(?:(?!;| and |,? with ).){0,70}?\b"
    + _any(
        r"represent[a-z]*",
        r"(?:consistent|compatible) with",
        r"(?<!to )suggest[a-z]*(?: of)?",
        r"(?:most )?likely",
        r"probabl[ey]",
        r"due (?:to|at|in)",
        r"secondary to",
        r"reflect[a-z]*",
        r"related to",
        r"indicat[a-z]+",
        r"characteristic of",
        r"xxxx(?: (?:to|due))?",
    )
    + r"\b(?:(?!;| and ).){0,40}$"
)
"""Between an opacity and a finding: the opacity is that finding ("opacity consistent with atelectasis")."""

# Statements of normality, and the findings they deny -----------------------------------------------------------------

_NORMAL = r"(?:normal|unremarkable|within (?:the )?(?:limits|normal)|wnl|not enlarged|non-?enlarged)"
_STOP = (
    r"(?!borderline|upper(?! mediastin)|top|high|enlarg|mildly|but|except|prominen|with\b|tortu|large|abnormal|slight"
    r"|stable in)"
)
_THINGS = r"(?:size|shape|contours?|configuration|appearance)"

NORMAL_HEART = re.compile(
    _any(
        rf"\b{HEART}\b(?:[ ,/]+{_STOP}[a-z]+){{0,12}}?[ ,]+{_NORMAL}",
        rf"{_NORMAL},? (?:and stable,? |stable,? )?{HEART}",
        rf"{HEART} (?:and mediastinum )?(?:is |are )?(?:of|in) normal",
        rf"normal {_THINGS}(?:,? (?:and )?{_THINGS})* of (?:the )?{HEART}",
    )
)
NORMAL_LUNGS = re.compile(
    _any(
        r"\b(?:lungs?(?: fields| zones| parenchyma| bases)?|air ?-?spaces)"
        r"(?: (?!not|of\b|other|except|without|with\b|volumes?|markings|opaci|demonstrate)[a-z,]+){0,6}?"
        r" (?:clear|unremarkable|normal(?! (?:in )?(?:volume|aerat|inflat|expan|lung vol))"
        r"|within (?:the )?(?:normal|limits))(?! of\b)",
        r"\bclear(?: and [a-z-]+)? (?:bilateral |left |right )?lungs?\b",
        r"\blungs clear(?! of)",
        r"\b(?:normal|unremarkable) (?:heart and )?lungs\b(?! volumes?| expan)",
    )
)
NORMAL_VESSELS = re.compile(
    _any(
        r"(?:vascularity|vasculature|vascular (?:pattern|markings|xxxx)|vascular(?= (?:is|are|appears?)\b)"
        r"|pulmonary (?:vessels|xxxx))"
        r"(?: (?!prominen|congest|engorg|increas|upper|but|with\b)[a-z,]+){0,8}?"
        r" (?:normal|unremarkable|within normal limits|not engorged)",
        # Up to six words between "normal" and the vessels: a heart, a mediastinum that are normal too.
        r"(?:normal|unremarkable)(?:,? (?!prominen|congest|engorg|increas|upper|but|with\b|mild|slight|abnormal|small"
        r"|large|moderate|there\b|no\b|lungs?\b)[a-z]+){0,6}?,? (?:pulmonary )?vascul(?:arity|ature|ar)"
        r"(?! (?:congest|engorg|prominen|redistrib|crowd|[a-z]+ (?:is|are) (?!normal|unremark|within)))",
    )
)
NOTHING_ACUTE = re.compile(
    r"\b(?:no|without|free of|negative for|not)(?: (?!new\b)[a-z-]+){0,5}?,? (?:acute|active)[a-z,/ -]*?"
    r"(?:disease|abnormal[a-z]+|findings?|process(?:es)?|changes?|pathology|xxxx|distress)"
)
NORMAL_CHEST = re.compile(
    _any(
        r"\b(?:normal|unremarkable|negative) (?:(?:frontal|pa|ap|two|2|view|views|portable|and|lateral"
        r"|appearance of the|radiographs? of the) )*"
        r"chest(?! wall| cage)",
        r"\bchest (?:x-?(?:xxxx|ray)|radiographs?|exam(?:ination)?|films?)?:? ?(?:is |appears )?(?:normal"
        r"|negative|unremarkable)",
        r"\bnormal (?:exam(?:ination)?|study|radiographs?|x-(?:xxxx|ray))\b",
    )
)
CHEST = re.compile(r"lung|cardio|pulmon|chest|heart|thorac|airspace|pleural")
ELSEWHERE = _words(
    r"""
    osseous, bon[ey]s?, skelet[a-z]+, fractures?, spine, soft tissues?, ribs?, abdom[a-z]+, displac[a-z]+
    """
)
"""Organs that turn "no acute abnormality" into a statement about something else than heart and lungs."""

# Scope of negation and hedging ---------------------------------------------------------------------------------------

PSEUDO = re.compile(
    _any(
        r"\b(?:no|without|not)\b(?: (?:any|a|significant|significantly|xxxx|appreciable|appreciably|definite"
        r"|real|substantial"
        r"|substantially|major|much|evident|gross|overall|other|interval|radiographic))*"
        r" (?:change[sd]?|increased?|decreased?|improve[a-z]+|progress[a-z]+|worsening|differen[a-z]+)\b",
        r"\bnot (?:only|well|completely|fully|entirely|as (?:well|clearly|distinct))\b",
        r"\bno (?:longer a|older|comparison|prior|priors|doubt)\b",
    )
)
"""Words that look like a negation and are none: "no change in ...", "not well seen"."""

BREAK = re.compile(
    r"[;:()]|"
    + _any(
        r"\bbut\b",
        r"\bhowever\b",
        r"\b(?:al)?though\b",
        r"\bexcept\b",
        r"\b(?:other than|aside from|apart from)\b",
        r"\bwhich\b",
        r"\bwhile\b",
        r"\bthere(?: is| are|'s| has| have| appears?)\b",
        r"\bsuperimposed on\b",
        r"\b(?:remaining|otherwise|elsewhere)\b",
        r"\bin (?:a patient|this patient)\b",
        r"[,.] (?:the )?(?:heart|lungs|cardiac silhouette|pulmonary vascul[a-z]+|trachea|mediasti[a-z]+)\b",
        r"\band (?:the )?(?:heart|lungs|trachea|mediastinum)(?: size)? (?:is|are)\b",
    )
)
"""Words that end the reach of a trigger."""

PRE_NEGATION = _words(
    r"""
    no, not, without, w/o, nor, neither, negative for, free of, free from, absence of, clear of, lack of,
    resolved, resolution of, clearing of, clearance of, non
    """
)
POST_NEGATION = re.compile(
    r"^[^,;]*?"
    + _any(
        r"\b(?:is|are|was|were|be|been|do|does)(?: also| now| clearly| definitely)?"
        r" (?:not\b(?! (?:significant|chang|well|exclud|as |complet|apprecia[a-z]+ ch|xxxx ch))|no longer"
        r"|absent|resolved|cleared)",
        r"\b(?:has|have)(?: been| since| now| largely| completely| almost completely)* (?:resolved|cleared)",
        r"\b(?:not|no longer) (?:seen|identified|present|evident|visualized|visible|demonstrated|appreciated"
        r"|noted)\b",
        r"\bresolved\b",
    )
)
AFFIRMS = re.compile(
    r", (?:and |with )?(?:a |the )?"
    r"(?:small|mild|stable|unchanged|moderate|minimal|trace|tiny|left|right|bilateral"
    r"|bibasilar|low|patchy|streaky|increased)\b"
)
"""After "no ...": the start of a new, affirmative item, unless the list closes with an "or"."""
LIST = re.compile(r"\b(?:or|nor)\b|/")

PRE_HEDGE = _words(
    r"""
    may, might, could, can, possibl[ey], possibility, question[a-z]*, suspicious, suspicion, suspected,
    concern(?:ing)?, cannot, exclud[a-z]+, rule out, evaluat[a-z]+, versus, vs, differential, considerations?,
    considered, borderline, if, unlikely, less likely, doubt[a-z]*, rather than, difficult, correlat[a-z]+,
    assess, document, potential, perhaps, equivocal, worrisome, either, mimic[a-z]*, simulat[a-z]+, favor[a-z]*,
    as opposed to, limit[a-z]*, risk of, upper, history, treated, old, prior, on a previous, previous
    (?:episode|bout)s? of, sequela[e]?, evidence of prior, recommend[a-z]*, follow-?up, developing, early,
    healed, residual from
    """
)
"""Words that leave what follows open, or place it in the past. "Upper" lobes are taken out first."""
PRE_HEDGE_EXEMPT = re.compile(
    r"upper (?=lobe|lung|zone|left|right|hemithorax|chest|and|mid|/)|(?:stable|unchanged|compared?|comparison"
    r"|from|since|similar|as|with|to|than|the|seen on)"
    r"[a-z, ]* prior\b|on prior\b|prior (?:exam|study|stud|film|chest|radiograph|xxxx|ct|seen|described"
    r"|noted)[a-z]*|with (?:limited|limitation)"
)
POST_HEDGE = re.compile(
    _any(
        r"^[^,;]*?\b(?:cannot|can ?not|could not|not|difficult to|hard to)(?: be)?(?: entirely| completely"
        r"| totally)? (?:excluded?|ruled out)",
        r"^[^,;]*?\b(?:is|are|be) (?:also )?(?:possible|question[a-z]*|suspected|unlikely|less likely"
        r"|considered|favored|difficult|doubtful)",
        r"^[^,;]*?\b(?:may|could|might) (?:be present|have|also be|reflect overl|represent (?:overl|superimp"
        r"|artifact|normal))",
        r"^[^,;]*?\b(?:unlikely|considerations?|in the differential|artifact|difficult to)\b",
        r"^ ?\?",
        r"^(?:(?! with | and |[,;]).){0,40}?\b(?:versus|vs|or|and/or)\b",
        r"^,? ?if any",
        r"^, (?:less likely|versus)",
    )
)

# Side, zone, severity ------------------------------------------------------------------------------------------------

NOT_A_SIDE = re.compile(
    _any(
        r"(?:left|right) (?:lateral decub|ventric|atri|picc|ij\b|internal jug|subclav|central venous"
        r"|chest tube)[a-z]*",
        r"(?:on the )?(?:left|right)(?: side)? (?:is )?(?:slightly )?(?:greater|more|worse"
        r"|larger)(?: [a-z]+){0,3} (?:left|right)",
        r"(?:greater|more(?! (?:inferior|superior|medial|lateral)(?:ly)?\b)|worse|larger|than|compared|especially"
        r"|particularly|predominantly)(?: [a-z]+){0,4}? (?:left|right)(?: side)?",
        r"(?:left|right) to (?:left|right)|(?:left|right)[a-z]* mediastinal shift"
        r"|shift(?:ed)? to(?:ward)? the (?:left|right)",
    )
)
"""Left and right that say which side is worse, or name something else."""
BOTH_SIDES = re.compile(
    r"\bbilateral|\bbi-?bas|\bbi-?apic|\bboth\b(?! (?:on|pa|frontal)\b)|\bbi-?hilar|\bhemithoraces"
    r"|left and right|right and left"
    r"|(?:left|right)(?: side)? (?:slightly )?(?:greater|larger|more|worse) than|(?:greater|worse) (?:on|in|at) the"
)
PLURAL = re.compile(r"\b(?:bases|apices|lungs)\b")
"""Both sides, unless a side is named: "lungs demonstrate a left basilar opacity"."""
LEFT = re.compile(r"\bleft|\blingul")
RIGHT = re.compile(r"\bright|\bmiddle lobe")
ZONES = {
    "retrocardiac": re.compile(r"retro-?cardiac|behind the heart"),
    "apical": re.compile(r"\bapic|\bapex|\bbi-?apic"),
    "perihilar": re.compile(r"hilar\b|\bhilum|\bcentral"),
    "upper": re.compile(r"\bupper"),
    "middle": re.compile(r"\bmiddle|\bmid[ -]?(?:lung|zone|portion)?\b|\blingul"),
    "lower": re.compile(r"\blower"),
    "basal": re.compile(r"\bbas(?:e|es|al|ilar)\b|\bbi-?bas"),
    "diffuse": re.compile(r"\b(?:diffuse|widespread|throughout|generalized)"),
}
# A word about change ("slight decrease in ...") says nothing about size.
_CHANGE = (
    r"(?!(?: interval)?(?: in)? ?(?:increas|decreas|improv|worsen|chang|progress|enlarging|clearing|reduc|fluctuat"
    r"|smaller|larger))"
)
SEVERITIES = {
    "trace": re.compile(
        rf"\b(?:very small|trace|tiny|minimal|minimally|minute|subtle|faint"
        rf"|minor){_CHANGE}\b{_CHANGE}"
    ),
    "small": re.compile(rf"\b(?:small|mild|mildly|slight|slightly|little){_CHANGE}\b{_CHANGE}"),
    "moderate": re.compile(rf"\b(?:moderate|moderately){_CHANGE}\b{_CHANGE}"),
    "large": re.compile(
        rf"\b(?:large|massive|severe|severely|extensive|marked|markedly|huge|complete"
        rf"|substantial){_CHANGE}\b{_CHANGE}"
    ),
}

NARROW = re.compile(r"\b(?:1?\d(?:\.\d)? ?mm|[01](?:\.\d)? ?cm)\b")
"""Less than 2 cm, which of air in the pleural space is a small pneumothorax (British Thoracic Society 2010)."""

# What the phantom does not draw --------------------------------------------------------------------------------------

MEASURE = r"\d(?: ?x ?\d+(?:\.\d+)?)? ?(?:mm|cm|millimet|centimet)"
OTHER = re.compile(
    r"\b(?:nodul|mass|granulom|calci|fractur|scar|fibro|herni|emphys|(?:hypo|hyper|under|over)?inflat|(?:hypo|hyper)(?:aer"
    r"|vent)|hyperex|hyperlu|copd|tortu|ectati|athero|degenerat|spond|listhes|scolio"
    r"|kypho|osteo|arthri|aneurysm|aort|adenopath|lymph|cavit|tumor|neoplas|malignan|metasta|cancer|carcinom"
    r"|surg|operat|sternotom|clip"
    r"|wire|stent|valv|cabg|bypass|graft|implant|prosthe|resect|lobectom|pneumonectom|thoracotom|dextro|levo"
    r"|thicken|plaque|elevat|eventrat"
    r"|interstitial(?! (?:and alveolar )?(?:pulmonary |lung )?(?:edema|opaci|infiltr|airspace op|densit))"
    r"|interstitium|marking|(?:fibro)?reticul|bronch(?!opneu)|bleb|bulla"
    r"|pneumomedias|pneumoperit|air\b(?! ?-?space)|subcutan|widen|deform|deviat|shift|gallst|cholecyst|bowel"
    r"|stomach|gastr|esoph|lung volumes?\b|low volume"
    r"|anterior mediastin|paratrach|azygos|pectus|ribs?\b|clavic|shoulder|humer|vertebra|spin[ae]|compress"
    r"|foreign|bullet|shrapnel|artifact|skin|nipple|thymus|fissur"
    r"|lesion|sarcoid|tubercul|histoplas|prominen|engorg|hypertens|(?:epi|peri)card|(?:radio|hyper)?lucen|cyst"
    r"|(?:hemi)?diaphragm|abscess|trauma|injur|contusion|hemorrh|hemato"
    r"|fat pad|fat\b|aspirat|cuff|pneumatocel|asbest|silico|goiter|thyroid|breast|mastect|anastom"
    r"|(?:air-)?fluid level|overl[ay]|obscur|device|leads?\b|chest tube|thoracostomy|(?:pleural|drainage) catheter"
    r"|wedge|infarct|embol|chronic|septal|crowd|radiat|post(?:op|surg|trau|inf|rad|-)|remov|redistrib|cephal"
    r"|plethor|borderline|upper limits"
    r"|top normal|ct\b|mri\b|atri(?:al|um)|ventric|decub|outside|hemothora"
    r"|pneumonitis|increased (?:lung |pulmonary )?vascul|tracheost"
    r"|(?:greater|larger|more|worse) (?:on the )?(?:left|right|than)|(?:left|right) (?:greater|larger|more|worse)"
    r"|asymmetr|(?:pa|ap)\b)"
    rf"|{MEASURE}.*opaci|opaci.*{MEASURE}"
)
"""Other abnormalities, devices beyond the four kinds, habitus, one side set against the other, the view, measures: a
sentence with one of these asserts too much."""
DEVICES = {
    "line": re.compile(
        r"\bpicc?\b|central (?:venous )?(?:dialysis )?(?:catheter|line)|venous (?:dialysis )?catheter"
        r"|dialysis catheter|jugular|\bij\b|port-?a-?cath|mediport"
        r"|\bport\b|subclavian (?:line|catheter)|swan"
    ),
    "endotracheal": re.compile(r"endotracheal|\bett\b|\bet tube"),
    "gastric": re.compile(r"(?:enteric|ng|feeding|gastric|orogastric|nasogastric) tubes?|dobb?hoff"),
    "pacemaker": re.compile(r"pacemaker|pacer|\bpacing|defibrillator|\baicd\b|\bicd\b"),
}
DEVICE_PLACES = re.compile(
    rf"{MEASURE}[a-z]*|\b(?:tips?|leads?|generator|device|implant[a-z]*|atri(?:um|al)|ventric[a-z]*|overl[a-z]*"
    r"|clavic[a-z]*"
    r"|stomach|gastric|gastroesophageal"
    r"|(?:hemi)?diaphragm)\b"
)
"""Parts of devices and where they lie, how far from what: no abnormality in a sentence about a device."""
NOT_IN_PLACE = re.compile(
    r"\b(?:no|not|without|removed|removal|withdrawn|absent|recommend[a-z]*"
    r"|malposition[a-z]*|fractured|should)\b"
)

# Comparison and follow-up --------------------------------------------------------------------------------------------

COMPARES = _words(
    r"""
    stable, unchanged, no (?:significant |interval )*change, compar[a-z]+, prior, previous, follow-?up,
    correlat[a-z]+, similar, recommend[a-z]*, discussed, communicated, improved
    """
)
_COMPARISON_WORDS = """
    a adequate after again also an and any appearance appearing appears appropriate approximately are as at
    available be been being by called cardiac cardiomediastinal change changes chest clear clearing clinical
    clinically communicated compared comparison comparisons configuration confirm consider contour contours
    correlate correlation could current date department discussed document dr earlier elsewhere ensure essentially
    evaluate evaluation exam examination examinations exams film films findings follow followed followup for from
    frontal further grossly heart helpful hours i if images imaging improved in indicated interval is lateral may
    mediastinal mediastinum minutes months most no none not of on or outside overall pa patient please previous
    previously prior priors radiograph radiographic radiographs radiography radiology recent recommend
    recommendations recommended relatively remain remains repeat resolution results scan seen should show
    significant significantly silhouette similar since size stability stable studies study suggest suggested
    symptoms telephone than that the therapy there these this to today treatment unchanged up useful view views
    warranted was week weeks were with within would x-xxxx xxxx xxxx's
"""
COMPARISON_WORDS = frozenset(_COMPARISON_WORDS.split())
"""Words of sentences that compare or advise and say nothing about what is on the film."""
