"""A simulated fleet: how fast its cars drive (the WLTC)."""

from adapters.simulator.drive_cycle import DriveCycle, Phase, load_wltc_class3b

__all__ = ["DriveCycle", "Phase", "load_wltc_class3b"]
