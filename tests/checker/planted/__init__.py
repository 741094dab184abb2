"""A clean history, and one smallest mutation of it per anomaly."""
