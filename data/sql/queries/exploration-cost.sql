-- What exploration cost
-- Candidates, rollouts, tokens, environment steps and seconds of each iteration.
-- Tokens are the candidates' own and their rollouts'; rollouts include those that valued the empty prefix. Unused
-- tokens, part of the generated ones, were drawn ahead (explore.width) and nothing was made of them.
SELECT * EXCLUDE (run)
FROM exploration_cost
WHERE run = run_or_latest($run)
ORDER BY iteration, strategy
