"""The `gatefleet` command: the roles, and what talks to a running Admin API."""

from gatefleet.cli.app import app, main

__all__ = ["app", "main"]
