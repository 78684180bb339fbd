"""A node: one Envoy, and the agent that joins it to a gateway group, feeds it and watches over it."""
