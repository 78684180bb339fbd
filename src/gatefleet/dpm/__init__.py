"""The DP Manager: compiles the gateway groups, feeds their nodes, keeps the list of them."""
