"""The front door: commands, run protocol, summary."""
