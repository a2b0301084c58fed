"""Replacing what belongs to somebody else, where it is what we know, and putting it back.

Nothing in here knows asyncio, IPv8 or Tribler; it imports ``_imports`` only, and wrapt late.
"""
