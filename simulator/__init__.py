"""A Run:ai control plane with known truth, served over HTTP."""
