"""Measured comparisons: dlt's stock REST source, a bare download, and this project, side by side over loopback.

Every contestant runs in a fresh process with fresh folders against one simulated control plane, itself a process of its
own; rounds are interleaved and medians compared. `make bench` writes what it found to `bench/RESULTS.md`.
"""
