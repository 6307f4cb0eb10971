"""PostgreSQL: the event store, the read models, and the server that comes with this package when none is given.

Architecture invariant: nothing outside this folder writes SQL or knows a table's name.
"""
