"""Wiring only: one file a stage, the pipeline that chains them, and the command line that calls it."""
