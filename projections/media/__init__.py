"""What a vehicle plays and has played."""
