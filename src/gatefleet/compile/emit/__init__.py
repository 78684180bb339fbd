"""IR to Envoy resources: every function here builds messages and touches nothing else."""
