"""The migrations of the database, run by `gatefleet migrate` and by `gatefleet up`."""
