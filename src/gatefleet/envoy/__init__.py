"""The Envoy binary we ship: where it is, how to run it, how to ask whether it takes a configuration."""
