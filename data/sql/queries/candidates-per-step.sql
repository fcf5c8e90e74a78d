-- Candidates drawn at a step
-- Mean, median, 95th percentile and maximum over the explored steps.
SELECT
    iteration, strategy,
    count(*) AS steps,
    avg(candidates) AS mean,
    quantile_cont(candidates, 0.5) AS p50,
    quantile_cont(candidates, 0.95) AS p95,
    max(candidates) AS max
FROM step_summary
WHERE run = run_or_latest($run)
GROUP BY ALL
ORDER BY iteration, strategy
