-- Time spent in the environment
-- Seconds inside environment code against the wall clock of the whole exploration.
SELECT
    iteration, strategy,
    environment_steps,
    environment_seconds,
    1000 * environment_seconds / nullif(environment_steps, 0) AS milliseconds_per_step,
    seconds AS stage_seconds,
    environment_seconds / nullif(seconds, 0) AS environment_share
FROM exploration_cost
WHERE run = run_or_latest($run)
ORDER BY iteration, strategy
