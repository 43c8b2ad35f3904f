"""The README is run: what it shows is what the demo does.

What stands between `<!-- generated: NAME -->` and `<!-- end -->` is made by running it, in the order of the page, in
one demo with a fixed seed and a fixed clock; its Python is run too.

    python -m tests.readme            rewrite what has changed
    python -m tests.readme --check    exit 1 and show the difference instead
"""
