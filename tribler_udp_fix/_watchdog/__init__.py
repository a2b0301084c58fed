"""The watchdog: proves that each endpoint hears, and mends the one that does not.

``_policy`` decides, in a table; ``_watchdog`` and ``_watch`` carry out what it says.
"""
