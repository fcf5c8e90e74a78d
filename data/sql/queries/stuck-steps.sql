-- Steps at which no candidate rose
-- Of the stuck steps, those where the previous value was already the best the task allows had no way to rise.
SELECT
    iteration, strategy,
    count(*) AS steps,
    count(*) FILTER (stuck) AS stuck,
    count(*) FILTER (stuck) / count(*) AS stuck_share,
    count(*) FILTER (stuck AND s.previous >= t.best) AS stuck_at_best,
    avg(s.candidates) FILTER (stuck) AS mean_candidates_when_stuck
FROM step_summary AS s
JOIN (SELECT run, episode, best FROM task_summary) AS t USING (run, episode)
WHERE run = run_or_latest($run)
GROUP BY iteration, strategy
ORDER BY iteration, strategy
