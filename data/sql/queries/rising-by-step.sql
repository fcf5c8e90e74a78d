-- Rising share by step
-- How often a candidate rose at each step of the episode (from 0), with 95 % Wilson intervals.
SELECT
    iteration, strategy, step_index,
    count(*) AS steps,
    avg(candidates) AS mean_candidates,
    rising_share(rose) AS rising_share,
    wilson_low(count(*) FILTER (rose), count(*)) AS low,
    wilson_high(count(*) FILTER (rose), count(*)) AS high
FROM step_summary
WHERE run = run_or_latest($run)
GROUP BY iteration, strategy, step_index
ORDER BY iteration, strategy, step_index
