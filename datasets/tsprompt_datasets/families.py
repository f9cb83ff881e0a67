"""Families: data sets that come of one source, and so tell less than as many sets of their own."""

from __future__ import annotations

from fnmatch import fnmatchcase

__all__ = ["FAMILIES", "family_of"]

FAMILIES = {
    "phalanx outlines": ("*Phalanx*", "PhalangesOutlinesCorrect", "Bone*AgeGroup"),
    "GunPoint": ("GunPoint*",),
    "gestures in mid-air": ("GestureMidAir*",),
    "gestures, Pebble": ("GesturePebble*",),
    "gestures, Wiimote": ("*GestureWiimote*",),
    "gestures, UWave": ("UWaveGesture*",),
    "cricket": ("Cricket*",),
    "Dodgers loop": ("DodgerLoop*",),
    "insect EPG": ("InsectEPG*",),
    "toe segmentation": ("ToeSegmentation*",),
    "MPEG-7 outlines": ("BeetleFly", "BirdChicken"),
    "faces": ("FaceAll", "FacesUCR"),
    "words": ("FiftyWords", "WordSynonyms"),
    "Ford": ("Ford[AB]",),
    "freezers": ("Freezer*",),
    "mixed shapes": ("MixedShapes*",),
    "fetal ECG": ("NonInvasiveFetalECG*",),
    "pigs": ("Pig*",),
    "Semg": ("SemgHand*",),
    "Sony robot": ("SonyAIBORobotSurface*",),
    "electro-oculogram": ("EOG*Signal",),
    "lightning": ("Lightning[27]",),
    "worms": ("Worms*", "EigenWorms"),
    "appliances": ("Computers", "*Devices", "ScreenType", "*KitchenAppliances"),
    "BME and UMD": ("BME", "UMD"),
    "self-regulation": ("SelfRegulationSCP*",),
    "asphalt": ("Asphalt*",),
    "IRDS": ("IRDS-*",),
    "KERAAL": ("KERAAL-*",),
    "KINECAL": ("KINECAL-*",),
    "UI-PRMD": ("UIPRMD-*",),
    "UCD": ("UCDHE-*",),
    "household power": ("HouseholdPowerConsumption*",),
}
"""Names of families, with patterns of the names of their sets: one experiment, cut or labelled in
several ways, as the archives describe them (Dau et al. 2019; Bagnall et al. 2018)."""


def family_of(name: str) -> str:
    """The family that a set of an archive belongs to; a set without relatives is its own."""
    for family, patterns in FAMILIES.items():
        if any(fnmatchcase(name, pattern) for pattern in patterns):
            return family
    return name
