"""What the command line is made of; `rro.flows.cli` puts it together."""
