"""Vox: a self-hosted platform for real-time voice. ARCHITECTURE.md is the map."""

__version__ = "0.1.0"
