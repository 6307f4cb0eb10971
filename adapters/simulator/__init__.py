"""A fleet that speaks CAN: one more source of frames, from one seed and in virtual time."""

from adapters.simulator.fleet import simulated_fleet
from adapters.simulator.life import CarLife

__all__ = ["CarLife", "simulated_fleet"]
