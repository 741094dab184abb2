"""The history checker (README.md); it shares no code with the proxy."""
