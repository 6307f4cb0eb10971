"""Already-decoded sources: rows of (vehicle, captured_at, signal, value), and GeoJSON tracks."""
