"""Numbers for people: statistics, tables, charts, the summary."""
