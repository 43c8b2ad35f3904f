"""Other versions: of the packages that the project asks for, and of the project itself.

`python -m tests.compatibility lowest` and `… newest` run tests with the oldest and the newest versions that
`pyproject.toml` allows; `releases/` holds a small data directory that each release wrote.
"""
