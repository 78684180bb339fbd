"""From a group's documents to what its nodes hold: resolve (documents to IR) and emit (IR to xDS)."""
