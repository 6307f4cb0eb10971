"""The write side: the Vehicle, its events, and the one door to it (`domain.fleet`).

Architecture invariants: nothing here does I/O, reads a clock, the environment or a source of randomness, or logs. Times
and ids come in as arguments. Nothing here knows `projections`, `adapters` or `schemas`.
"""
