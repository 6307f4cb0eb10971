"""A simulated fleet: how fast its cars drive (the WLTC), and along which real roads."""

from adapters.simulator.drive_cycle import DriveCycle, Phase, load_wltc_class3b
from adapters.simulator.routes import Positions, Route, load_routes

__all__ = ["DriveCycle", "Phase", "Positions", "Route", "load_routes", "load_wltc_class3b"]
