"""Where the agent acts: text in, text out. Knows nothing of policies, engines or storage."""
