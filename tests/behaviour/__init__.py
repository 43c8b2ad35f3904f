"""Whole runs against the simulator, on every destination: what a user relies on, whatever goes wrong."""
