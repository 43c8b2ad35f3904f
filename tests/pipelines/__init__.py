"""Tests of the run protocol and the command line."""
