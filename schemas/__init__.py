"""What two processes must agree on: data only (Avro, DBC, VSS mappings, the GraphQL SDL)."""
