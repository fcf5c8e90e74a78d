"""The work itself: environments, inference, exploration, training, storage, reporting."""
