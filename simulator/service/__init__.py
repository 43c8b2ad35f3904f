"""What the control plane says about its world, over HTTP."""
