-- Rollouts saved against a fixed width
-- Against drawing explore.max_candidates at every step. A candidate that was not drawn is taken to cost as
-- many rollouts as those drawn at its step did on average. The rollouts that value the empty prefix count
-- against the run: a fixed width needs none.
WITH asked AS (
    SELECT run, (settings::JSON ->> '$.explore.max_candidates')::BIGINT AS width FROM runs
), stepped AS (
    SELECT
        run, iteration, strategy,
        count(*) AS steps,
        sum(candidates)::BIGINT AS candidates,
        sum(rollouts / candidates) AS rollouts_for_one_each
    FROM step_summary GROUP BY ALL
)
SELECT
    iteration, strategy,
    width AS fixed_width,
    candidates,
    width * steps AS fixed_candidates,
    rollouts,
    width * rollouts_for_one_each AS fixed_rollouts,
    width * rollouts_for_one_each - rollouts AS rollouts_saved,
    1 - rollouts / nullif(width * rollouts_for_one_each, 0) AS saved_share
FROM stepped
JOIN (SELECT run, iteration, strategy, rollouts FROM exploration_cost) USING (run, iteration, strategy)
JOIN asked USING (run)
WHERE run = run_or_latest($run)
ORDER BY iteration, strategy
