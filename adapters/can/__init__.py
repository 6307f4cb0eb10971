"""CAN: frames from recordings and live buses, decoded into samples of VSS signals and trouble code reports."""
