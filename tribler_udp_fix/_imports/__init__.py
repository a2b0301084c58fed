"""Finders on ``sys.meta_path`` that find nothing, and tell when a module has run.

Nothing in here knows what is repaired; it imports nothing else of this package.
"""
