"""Where a vehicle is, was and is going: position, trips, track, destination."""
