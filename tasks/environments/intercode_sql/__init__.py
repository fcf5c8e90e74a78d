"""InterCode-SQL (Yang et al., NeurIPS 2023): answer a question by asking a database."""
