-- What the gate looks at
-- Pairs, their mean margin, rollouts for one pair and generated tokens, beside the run's gate settings.
SELECT
    iteration, strategy,
    pairs,
    (settings::JSON ->> '$.gate.min_pairs')::BIGINT AS min_pairs,
    mean_margin,
    (settings::JSON ->> '$.gate.min_margin')::DOUBLE AS min_margin,
    rollouts_per_pair,
    (settings::JSON ->> '$.gate.max_rollouts_per_pair')::DOUBLE AS max_rollouts_per_pair,
    generated_tokens,
    (settings::JSON ->> '$.gate.max_generated_tokens')::BIGINT AS max_generated_tokens
FROM cost_per_pair
JOIN exploration_cost USING (run, iteration, strategy)
JOIN (SELECT run, settings FROM runs) USING (run)
WHERE run = run_or_latest($run)
ORDER BY iteration, strategy
