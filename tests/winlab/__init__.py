"""The Windows lab: real Windows Pythons under Wine, cut off from every network but loopback.

`python3 -m tests.winlab --help` is its command line; README.md tells how it is built. The standard
library is all that it needs.
"""
