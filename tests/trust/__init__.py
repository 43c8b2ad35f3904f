"""The worst day, played: each scene proves one promise at full size and says in figures how it went.

A scene is a module with `play(seed) -> list[Goal]`; `python -m tests.trust` plays them all, and the gate runs samples
of the same scenes as ordinary tests.
"""
