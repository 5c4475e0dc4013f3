"""Demo data: a small company on duty, connected to the simulated chat platforms. Never part of a real instance."""
