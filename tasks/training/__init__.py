"""Base model, SFT and DPO by TRL, each training in a process of its own."""
