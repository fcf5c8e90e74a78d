"""The walk, the values and the pairs: what the project exists for."""
