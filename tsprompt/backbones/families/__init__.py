"""Families of language models: what each reads, how it is run, and where its answer is read."""

from tsprompt.backbones.families.base import Family
from tsprompt.backbones.families.clip import Clip
from tsprompt.backbones.families.decoder import Decoder
from tsprompt.backbones.families.encoder import Encoder
from tsprompt.backbones.families.encoder_decoder import EncoderDecoder
from tsprompt.backbones.families.image import Image

__all__ = ["FAMILIES", "Encoder", "Family"]

FAMILIES: tuple[type[Family], ...] = (Image, Clip, EncoderDecoder, Decoder, Encoder)
"""In the order in which they are asked whether a model is one of theirs."""
