-- Candidates that repeat an action
-- A repeated action counts as a draw but is not rolled out again. By step of the episode (from 0).
SELECT
    iteration, strategy, step_index,
    sum(candidates)::BIGINT AS candidates,
    sum(duplicates)::BIGINT AS duplicates,
    sum(duplicates) / sum(candidates) AS duplicate_share
FROM step_summary
WHERE run = run_or_latest($run)
GROUP BY iteration, strategy, step_index
ORDER BY iteration, strategy, step_index
