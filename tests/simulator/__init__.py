"""The simulated control plane: what it serves is valid by its contract, true to its world, and strict."""
