"""Makes the shipped databases and questions of InterCode-SQL from a seed."""
