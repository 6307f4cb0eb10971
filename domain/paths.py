"""The VSS 6.0 paths that the Vehicle has rules about; every other path is just a signal."""

from typing import Final

VIN: Final = "Vehicle.VehicleIdentification.VIN"  # never recorded: an event of its own and one table have it
SPEED: Final = "Vehicle.Speed"
LATITUDE: Final = "Vehicle.CurrentLocation.Latitude"
LONGITUDE: Final = "Vehicle.CurrentLocation.Longitude"
HEADING: Final = "Vehicle.CurrentLocation.Heading"
ALTITUDE: Final = "Vehicle.CurrentLocation.Altitude"
LOW_VOLTAGE_SYSTEM_STATE: Final = "Vehicle.LowVoltageSystemState"
ODOMETER: Final = "Vehicle.TraveledDistance"
ENGINE_SPEED: Final = "Vehicle.Powertrain.CombustionEngine.Speed"
COOLANT_TEMPERATURE: Final = "Vehicle.Powertrain.CombustionEngine.EngineCoolant.Temperature"
FUEL_LEVEL: Final = "Vehicle.Powertrain.FuelSystem.RelativeLevel"
STATE_OF_CHARGE: Final = "Vehicle.Powertrain.TractionBattery.StateOfCharge.Current"
STATE_OF_CHARGE_DISPLAYED: Final = "Vehicle.Powertrain.TractionBattery.StateOfCharge.Displayed"
BATTERY_ENERGY: Final = "Vehicle.Powertrain.TractionBattery.StateOfCharge.CurrentEnergy"
IS_CHARGING: Final = "Vehicle.Powertrain.TractionBattery.Charging.IsCharging"
LOW_VOLTAGE: Final = "Vehicle.LowVoltageBattery.CurrentVoltage"
TIRE_PRESSURE_FRONT_LEFT: Final = "Vehicle.Chassis.Axle.Row1.Wheel.Left.Tire.Pressure"
TIRE_PRESSURE_FRONT_RIGHT: Final = "Vehicle.Chassis.Axle.Row1.Wheel.Right.Tire.Pressure"
TIRE_PRESSURE_REAR_LEFT: Final = "Vehicle.Chassis.Axle.Row2.Wheel.Left.Tire.Pressure"
TIRE_PRESSURE_REAR_RIGHT: Final = "Vehicle.Chassis.Axle.Row2.Wheel.Right.Tire.Pressure"
DESTINATION_LATITUDE: Final = "Vehicle.Cabin.Infotainment.Navigation.DestinationSet.Latitude"
DESTINATION_LONGITUDE: Final = "Vehicle.Cabin.Infotainment.Navigation.DestinationSet.Longitude"
MEDIA_SOURCE: Final = "Vehicle.Cabin.Infotainment.Media.Played.Source"
MEDIA_TITLE: Final = "Vehicle.Cabin.Infotainment.Media.Played.Track"
MEDIA_ARTIST: Final = "Vehicle.Cabin.Infotainment.Media.Played.Artist"
MEDIA_ALBUM: Final = "Vehicle.Cabin.Infotainment.Media.Played.Album"
MEDIA_ACTION: Final = "Vehicle.Cabin.Infotainment.Media.Action"
MEDIA_VOLUME: Final = "Vehicle.Cabin.Infotainment.Media.Volume"

IGNITION_ON_STATES: Final = frozenset({"ON", "START"})  # values of LOW_VOLTAGE_SYSTEM_STATE with terminal 15 live
IGNITION_OFF_STATES: Final = frozenset({"LOCK", "OFF", "ACC"})  # those without; UNDEFINED says nothing
