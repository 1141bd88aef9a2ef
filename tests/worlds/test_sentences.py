"""What a sentence says. Sentences are invented in the manner of reports; the corpus is only counted."""

import pytest

from plainsight.worlds import lexicon
from plainsight.worlds.sentences import (
    LESIONS,
    Fact,
    analyse,
    compares,
    corpus,
    has_keyword,
    parse,
    side_of,
)


@pytest.mark.parametrize(
    ("text", "fact"),
    [
        ("Small left pleural effusion.", Fact("Pleural Effusion", "left", "", "small")),
        ("Trace right effusion again seen", Fact("Pleural Effusion", "right", "", "trace")),
        ("The left costophrenic angle is blunted.", Fact("Pleural Effusion", "left", "", "")),
        ("Mild blunting of the right costophrenic XXXX.", Fact("Pleural Effusion", "right", "", "small")),
        ("Moderate to large bilateral pleural effusions.", Fact("Pleural Effusion", "both", "", "large")),
        ("Cardiomegaly.", Fact("Cardiomegaly")),
        ("The heart is mildly enlarged.", Fact("Cardiomegaly", "", "", "small")),
        ("Stable enlargement of the cardiac silhouette", Fact("Cardiomegaly")),
        ("The heart is slightly large.", Fact("Cardiomegaly", "", "", "small")),
        ("Heart size is markedly enlarged on the left.", Fact("Cardiomegaly", "", "", "large")),
        ("Right lower lobe pneumonia", Fact("Pneumonia", "right", "lower", "")),
        ("Infectious process at the left base.", Fact("Pneumonia", "left", "basal", "")),
        ("Patchy airspace disease in the right middle lobe.", Fact("Lung Opacity", "right", "middle", "")),
        ("Hazy density in the lingula.", Fact("Lung Opacity", "left", "middle", "")),
        ("Left upper lobe infiltrate", Fact("Lung Opacity", "left", "upper", "")),
        ("Retrocardiac opacity.", Fact("Lung Opacity", "", "retrocardiac", "")),
        ("Diffuse interstitial opacities throughout both lungs", Fact("Lung Opacity", "both", "diffuse", "")),
        ("Lungs demonstrate a left basilar opacity.", Fact("Lung Opacity", "left", "basal", "")),
        ("Bibasilar atelectasis, left greater than right.", Fact("Atelectasis", "both", "basal", "")),
        ("Complete collapse of the right lung.", Fact("Atelectasis", "right", "", "large")),
        ("Minimal atelectatic change, right base", Fact("Atelectasis", "right", "basal", "trace")),
        ("Pulmonary vascular congestion.", Fact("Edema")),
        ("Mild central vascular congestion", Fact("Edema", "", "perihilar", "small")),
        ("Findings of congestive heart failure.", Fact("Edema")),
        ("Dense consolidation of the left upper lobe.", Fact("Consolidation", "left", "upper", "")),
        ("Small right apical pneumothorax.", Fact("Pneumothorax", "right", "apical", "small")),
        ("Probable left pneumothorax", Fact("Pneumothorax", "left", "", "")),
        ("A more inferior left opacity", Fact("Lung Opacity", "left")),
    ],
)
def test_one_finding_with_its_place_and_size(text, fact):
    assert parse(text) == (fact,)


@pytest.mark.parametrize(
    ("text", "denied"),
    [
        ("No pneumothorax.", {"Pneumothorax"}),
        (
            "No focal consolidation, pleural effusion or pneumothorax.",
            {"Consolidation", "Pleural Effusion", "Pneumothorax"},
        ),
        ("There is no pneumothorax, large effusion, or edema", {"Pneumothorax", "Pleural Effusion", "Edema"}),
        ("Negative for pneumonia.", {"Pneumonia"}),
        ("Pneumothorax is not seen.", {"Pneumothorax"}),
        ("The left effusion has resolved.", {"Pleural Effusion"}),
        ("Interval resolution of the right infiltrate.", {"Lung Opacity"}),
        ("Heart size is normal.", {"Cardiomegaly"}),
        ("The heart is not enlarged.", {"Cardiomegaly"}),
        ("Normal heart size and mediastinal contours.", {"Cardiomegaly"}),
        ("Heart and upper mediastinum are of the same size as before and remain normal.", {"Cardiomegaly"}),
        ("Normal heart, mediastinum, and hilar vascularity.", {"Cardiomegaly", "Edema"}),
        ("The pulmonary vascular appears normal.", {"Edema"}),
        ("The lungs are clear.", set(lexicon.PARENCHYMAL)),
        ("Clear lungs", set(lexicon.PARENCHYMAL)),
        ("Pulmonary vascularity is within normal limits.", {"Edema"}),
        ("Normal chest.", set(LESIONS)),
        ("No acute cardiopulmonary abnormality.", set(LESIONS) - {"Cardiomegaly"}),
        ("No opacity to suggest pneumonia", {"Lung Opacity", "Pneumonia"}),
    ],
)
def test_negations(text, denied):
    sentence = analyse(text)
    assert sentence.denied == denied
    assert not sentence.asserted


def test_a_side_that_is_clear():
    assert {fact.side for fact in parse("The right lung is clear.")} == {"right"}


@pytest.mark.parametrize(
    "text",
    [
        "Possible small effusion.",
        "Pneumonia cannot be excluded.",
        "Atelectasis versus pneumonia.",
        "Borderline cardiomegaly.",
        "Cannot exclude a small pneumothorax",
        "Left base findings may represent atelectasis",
        "Correlate for pneumonia.",
        "History of pneumonia.",
        "Atelectasis or scarring at the base",
    ],
)
def test_hedged_mentions_give_no_fact(text):
    sentence = analyse(text)
    assert sentence.hedged
    assert not sentence.facts


def test_only_the_doubtful_part_is_doubtful():
    sentence = analyse("Left basilar opacity, which may represent pneumonia.")
    assert sentence.asserted == (Fact("Lung Opacity", "left", "basal"),)
    assert sentence.hedged


@pytest.mark.parametrize(
    "text",
    [
        "No change in the small left pleural effusion.",
        "Small left pleural effusion without significant interval change.",
        "Slight decrease in small left pleural effusion",
        "Small left pleural effusion, unchanged from prior.",
        "Small left pleural effusion, slightly smaller.",
    ],
)
def test_words_of_change_neither_negate_nor_measure(text):
    assert parse(text) == (Fact("Pleural Effusion", "left", "", "small"),)


def test_an_opacity_that_is_something_is_that_thing():
    assert parse("Streaky left basilar opacities consistent with atelectasis") == (
        Fact("Atelectasis", "left", "basal"),
    )
    assert parse("Right upper lobe opacity XXXX representing pneumonia.") == (Fact("Pneumonia", "right", "upper"),)


def test_each_finding_has_its_own_place():
    assert parse("Small left pleural effusion and right upper lobe consolidation.") == (
        Fact("Pleural Effusion", "left", "", "small"),
        Fact("Consolidation", "right", "upper", ""),
    )


def test_scope_ends_at_but_and_at_a_new_item():
    assert parse("No pneumothorax but small right effusion.") == (
        Fact("Pneumothorax", negated=True),
        Fact("Pleural Effusion", "right", "", "small"),
    )
    assert [fact.negated for fact in parse("No pneumothorax, small right effusion.")] == [True, False]


def test_hydropneumothorax_is_two_findings():
    assert [fact.finding for fact in parse("Left hydropneumothorax.")] == ["Pneumothorax", "Pleural Effusion"]


def test_a_text_of_several_sentences():
    facts = parse("1. Cardiomegaly. 2. No edema. 3. Cardiomegaly.")
    assert facts == (Fact("Cardiomegaly"), Fact("Edema", negated=True))


@pytest.mark.parametrize(
    "text", ["Calcified nodular opacity in the left lung.", "Pericardial effusion", "Radiopaque foreign body", ""]
)
def test_what_is_none_of_the_eight(text):
    assert parse(text) == ()


@pytest.mark.parametrize(
    ("text", "side"),
    [
        ("in the left lung", "left"),
        ("right middle lobe", "right"),
        ("bilateral", "both"),
        ("left and right", "both"),
        ("the right base, right greater than left", "both"),
        ("both on PA and lateral views at the left base", "left"),
        ("at the lung bases", "both"),
        ("right larger than left", "both"),
        ("lungs with left basilar", "left"),
        ("heart", ""),
    ],
)
def test_sides(text, side):
    assert side_of(text) == side


@pytest.mark.parametrize(
    ("text", "device"),
    [
        ("Right PICC with tip in the SVC.", "line"),
        ("Endotracheal tube 4 cm above the carina.", "endotracheal"),
        ("Feeding tube tip in the stomach.", "gastric"),
        ("Tracheostomy tube in place.", ""),
        ("Left chest pacemaker leads in the right atrium.", "pacemaker"),
        ("The central line has been removed.", ""),
        ("No pacemaker.", ""),
        ("Endotracheal tube and PICC in place.", ""),
    ],
)
def test_devices(text, device):
    sentence = analyse(text)
    assert sentence.device == device
    assert sentence.other == (device == "")


@pytest.mark.parametrize(
    "text",
    [
        "Bibasilar opacities, right greater than left.",
        "Small bilateral effusions, left worse than right.",
        "Opacity in the right midlung on the PA view.",
        "6 mm opacity in the left upper lobe.",
        "Left upper lobe opacity measuring 1.5 x 2 cm.",
        "Asymmetric left suprahilar opacity.",
    ],
)
def test_what_no_drawing_is_held_to_is_told_apart(text):
    sentence = analyse(text)
    assert sentence.asserted and sentence.other


def test_comparisons_say_nothing_about_findings():
    assert compares(analyse("No significant change since the prior study."))
    assert compares(analyse("Recommend follow up chest x-XXXX in 6 weeks."))
    assert not compares(analyse("Effusion is unchanged since the prior study."))
    assert not compares(analyse("Stable scoliosis."))
    assert not compares(analyse("The aorta is tortuous."))


def test_keywords_are_those_of_table_9():
    assert has_keyword("Enlarged CARDIAC silhouette", "Cardiomegaly")
    assert not has_keyword("The heart is enlarged.", "Cardiomegaly")
    assert has_keyword("Bibasilar opacities", "Lung Opacity")
    assert not has_keyword("Right infiltrate", "Lung Opacity")


def test_the_corpus():
    sentences = corpus()
    assert len(sentences) > 22_000
    single = {s.text for s in sentences if len(s.asserted) == 1 and not s.hedged}
    assert 1_100 < len(single) < 1_300
    for sentence in sentences:
        for fact in sentence.facts:
            assert fact.finding in LESIONS
            assert fact.side in ("left", "right", "both", "")
            assert fact.zone == "" or fact.zone in lexicon.ZONES
            assert fact.severity == "" or fact.severity in lexicon.SEVERITIES
