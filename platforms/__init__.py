"""The chat platforms by name: the one place that knows them all."""
