-- What one iteration's exploration cost and yielded, as one row (tasks/reporting/analysis.py).
WITH explored AS (
    SELECT * FROM exploration_cost WHERE run = $run AND iteration = $iteration
), stepped AS (
    SELECT * FROM step_summary WHERE run = $run AND iteration = $iteration
), kept AS (
    SELECT margin FROM pairs WHERE run = $run AND iteration = $iteration
), costs AS (
    SELECT
        coalesce(sum(tasks), 0)::BIGINT AS tasks,
        coalesce(sum(steps), 0)::BIGINT AS steps,
        coalesce(sum(candidates), 0)::BIGINT AS candidates,
        coalesce(sum(rollouts), 0)::BIGINT AS rollouts,
        coalesce(sum(failed_rollouts), 0)::BIGINT AS failed_rollouts,
        coalesce(sum(generated_tokens), 0)::BIGINT AS generated_tokens,
        coalesce(sum(prompt_tokens), 0)::BIGINT AS prompt_tokens,
        coalesce(sum(environment_steps), 0)::BIGINT AS environment_steps,
        max(seconds) AS seconds,
        sum(cached_tokens) / nullif(sum(prompt_tokens), 0) AS prefix_cache_hit_rate,
        sum(environment_seconds) / nullif(max(seconds), 0) AS environment_share
    FROM explored
), shapes AS (
    SELECT
        avg(candidates) AS candidates_mean,
        quantile_cont(candidates, 0.5) AS candidates_p50,
        quantile_cont(candidates, 0.95) AS candidates_p95,
        max(candidates) AS candidates_max,
        rising_share(rose) AS rising_share,
        rising_share(CASE WHEN third = 1 THEN rose END) AS rising_first_third,
        rising_share(CASE WHEN third = 2 THEN rose END) AS rising_second_third,
        rising_share(CASE WHEN third = 3 THEN rose END) AS rising_last_third,
        avg(stuck::INTEGER) AS stuck_share,
        sum(duplicates) / sum(candidates) AS duplicate_share
    FROM stepped
), yields AS (
    SELECT count(*) AS pairs, avg(margin) AS mean_margin FROM kept
)
SELECT * FROM costs, shapes, yields
