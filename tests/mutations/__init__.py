"""Mistakes made on purpose: each must turn a named test red, else that test has no teeth. `make mutants` makes them."""
