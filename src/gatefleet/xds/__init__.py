"""The delta xDS protocol over snapshots: a server that feeds streams and a client that follows; knows no gateways."""
