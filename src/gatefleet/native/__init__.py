"""The native module inside Envoy, and what Python and it must agree on."""
