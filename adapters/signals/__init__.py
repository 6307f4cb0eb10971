"""Signals: what the values of a car mean in COVESA VSS, which are worth telling, and how they become batches."""
