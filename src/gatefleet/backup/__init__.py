"""Backup: keeps copies of the gateway groups in a bucket; `gatefleet backup` writes them, `gatefleet backups` reads."""
