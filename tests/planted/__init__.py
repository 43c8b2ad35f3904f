"""Defects as data: small mutations of the code, each of which must turn a named test red.

One JSON list per part of the project, of objects `{"name", "file", "find", "replace", "test"}`: `find` occurs exactly
once in `file`, and `test`, a pytest node id, passes without the mutation and fails with it.

    python -m tests.planted [PART or word of a name ...]
"""
