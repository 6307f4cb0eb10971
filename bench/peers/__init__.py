"""What ours is measured against: how somebody would do the same with the library alone, or with another."""
