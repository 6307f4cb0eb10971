"""The read side: pure folds of events into rows.

Architecture invariants: a projection sees events, never the Vehicle or the fleet; navigation, media and diagnostics do
not know each other; nothing here does I/O, reads a clock or rolls dice.
"""
