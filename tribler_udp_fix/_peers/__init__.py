"""IPv8's peers: who is alive, and who is not asked any more."""
