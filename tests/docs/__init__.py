"""The pages that people write, held against the code."""
