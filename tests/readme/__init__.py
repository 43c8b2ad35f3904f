"""The README and the pages of `docs` are run: what they show is what the demo does.

What stands between `<!-- generated: NAME -->` and `<!-- end -->` is made by running it, in the order of the pages, in
one demo with a fixed seed and a fixed clock; their Python is run too.

    python -m tests.readme            rewrite what has changed
    python -m tests.readme --check    exit 1 and show the difference instead
"""
