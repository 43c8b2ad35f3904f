"""SQL models and the runner that orders, builds, tests and publishes them."""
