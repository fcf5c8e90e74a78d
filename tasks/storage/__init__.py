"""Tables, the warehouse that keeps them as Parquet, and the DuckDB views over it."""
