"""Demo data: a small company on duty, connected to the simulated chat platform. Never part of a real instance."""
