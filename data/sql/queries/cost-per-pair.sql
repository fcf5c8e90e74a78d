-- What one kept pair cost
-- Exploration cost divided by the pairs that were kept; empty cells where no pair was kept.
SELECT * EXCLUDE (run)
FROM cost_per_pair
WHERE run = run_or_latest($run)
ORDER BY iteration, strategy
