"""The voice of the documented example."""

from played_services import ToneVoice as HouseVoice

__all__ = ["HouseVoice"]
