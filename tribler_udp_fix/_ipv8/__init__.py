"""The repairs of IPv8 (PyPI: pyipv8). Nothing in here imports IPv8: the program does, or nobody."""
