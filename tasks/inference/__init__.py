"""How tokens are generated: one `Engine` interface and its implementations. Knows nothing of environments."""
