-- Prefix-cache hit rate
-- Share of the prompt tokens that the engine took from its prefix cache.
WITH used AS (
    SELECT run, iteration, strategy, 'candidates' AS source, prompt_tokens, cached_tokens FROM candidates
    UNION ALL
    SELECT run, iteration, strategy, 'rollouts' AS source, prompt_tokens, cached_tokens FROM rollouts
)
SELECT
    iteration, strategy, source,
    sum(prompt_tokens)::BIGINT AS prompt_tokens,
    sum(cached_tokens)::BIGINT AS cached_tokens,
    sum(cached_tokens) / nullif(sum(prompt_tokens), 0) AS hit_rate
FROM used
WHERE run = run_or_latest($run)
GROUP BY ALL
ORDER BY iteration, strategy, source
