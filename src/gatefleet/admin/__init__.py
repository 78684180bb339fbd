"""The Admin API: what users, the Dashboard and the open clients of API7 talk to."""
