"""Which requests cover what is wanted, and how their answers become Arrow tables."""
