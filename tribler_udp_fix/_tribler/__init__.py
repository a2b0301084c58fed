"""What Tribler is told of its endpoints: REST, events and pop-ups, for versions 7.13 and 8."""
