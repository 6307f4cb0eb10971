"""How a vehicle is: signals, trouble codes, warnings, charging, and how good its telemetry is."""
