"""`gatefleet up`: PostgreSQL, the control plane and one node on one machine, for a laptop or a trial."""
