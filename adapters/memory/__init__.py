"""Every port in one process, without a file or a socket: for tests, for simulation, and to try things out.

Architecture invariant: these are real implementations, held to the same contract tests as the others.
"""
