"""The installer for Windows: its sources, and what builds it."""
