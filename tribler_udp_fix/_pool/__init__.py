"""Sockets for asking public servers, apart from the endpoint that peers know."""
