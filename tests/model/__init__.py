"""The whole life of incidents against a small model of it, written from the specification alone."""
