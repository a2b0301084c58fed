"""Requests of IPv8 communities that are sent again until they are answered."""
