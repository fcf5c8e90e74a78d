-- Rising share by third of the episode
-- How often a candidate rose early, in the middle and late, with 95 % Wilson intervals.
SELECT
    iteration, strategy, third,
    count(*) AS steps,
    rising_share(rose) AS rising_share,
    wilson_low(count(*) FILTER (rose), count(*)) AS low,
    wilson_high(count(*) FILTER (rose), count(*)) AS high
FROM step_summary
WHERE run = run_or_latest($run)
GROUP BY iteration, strategy, third
ORDER BY iteration, strategy, third
