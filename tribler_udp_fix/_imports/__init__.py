"""The program's imports: a finder that tells when a module has run, and gates before its use.

Nothing in here knows what is repaired, only by which names it is found; it imports nothing else of
this package. CPython holds the global import lock while it asks a finder, and the module's own lock
until its code has run. Whatever waits in there waits for ever as soon as another thread holds what
it waits for; so nothing in here imports, takes a lock or logs before the program comes to a gate.
"""
