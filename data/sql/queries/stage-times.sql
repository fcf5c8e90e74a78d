-- Seconds and memory of each stage
-- Wall clock; a stage that was resumed counts all its parts.
SELECT
    iteration, stage,
    sum(seconds) AS seconds,
    sum(seconds) / nullif(sum(sum(seconds)) OVER (), 0) AS share,
    max(peak_memory_mib) AS peak_memory_mib
FROM stages
WHERE run = run_or_latest($run)
GROUP BY iteration, stage
ORDER BY min(finished_at), iteration, stage
