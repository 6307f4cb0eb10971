"""The outside: one folder a technology, each behind a port of `domain` or `projections`.

Architecture invariants: the technology folders do not import each other; only `adapters.wiring` names concrete classes
of more than one of them.
"""
