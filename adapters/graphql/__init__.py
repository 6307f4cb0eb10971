"""The twins over GraphQL: what partners and the CLI ask, answered from the read models and the log."""
