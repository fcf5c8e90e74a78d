-- Views over the tables (tables.py). Exploration cost counts the candidates' own tokens and their rollouts'.

-- The run that started last: one row, none in an empty warehouse.
CREATE VIEW runs_latest AS
SELECT * FROM runs ORDER BY started_at DESC NULLS LAST, run DESC LIMIT 1;

-- The run asked for, or the latest one where none is. Here because a macro's tables must be there first.
CREATE MACRO run_or_latest(run) AS coalesce(run::VARCHAR, (SELECT l.run FROM runs_latest AS l));

-- Rollouts that were paid: not the expert's, and not those of which every action was there already.
CREATE VIEW paid_rollouts AS
SELECT * FROM rollouts
WHERE scorer <> 'expert' AND (outcome IS NULL OR reused_actions < len(actions));

-- One row an explored step. It rose if any candidate did; it is stuck if none did.
CREATE VIEW step_summary AS
WITH drawn AS (
    SELECT
        run, iteration, strategy, policy, environment, task, episode, step_index,
        count(*) AS candidates,
        count(duplicate_of) AS duplicates,
        coalesce(bool_or(rose), false) AS rose,
        max(previous) AS previous,
        max(value) FILTER (chosen) AS value,
        max(value) AS highest,
        min(value) AS lowest
    FROM candidates
    GROUP BY ALL
), rolled AS (
    SELECT run, episode, step_index, count(*) AS rollouts FROM paid_rollouts GROUP BY ALL
)
SELECT
    drawn.*,
    NOT rose AS stuck,
    coalesce(rollouts, 0) AS rollouts,
    third_of(step_index, count(*) OVER (PARTITION BY run, episode)) AS third
FROM drawn LEFT JOIN rolled USING (run, episode, step_index);

-- One row an explored task: what it came to and what it cost. Environment steps are those of its candidates
-- and rollouts together, as the walk counted them.
CREATE VIEW task_summary AS
WITH stepped AS (
    SELECT run, episode, count(*) AS explored_steps, sum(stuck::INTEGER)::BIGINT AS stuck_steps
    FROM step_summary GROUP BY ALL
), drawn AS (
    SELECT
        run, episode,
        count(*) AS candidates,
        count(duplicate_of) AS duplicates,
        sum(generated_tokens)::BIGINT AS generated_tokens,
        sum(prompt_tokens)::BIGINT AS prompt_tokens,
        sum(cached_tokens)::BIGINT AS cached_tokens
    FROM candidates GROUP BY ALL
), rolled AS (
    SELECT
        run, episode,
        count(*) AS rollouts,
        count(*) FILTER (step_index < 0) AS start_rollouts,
        count(error) AS failed_rollouts,
        sum(generated_tokens)::BIGINT AS generated_tokens,
        sum(prompt_tokens)::BIGINT AS prompt_tokens,
        sum(cached_tokens)::BIGINT AS cached_tokens
    FROM paid_rollouts GROUP BY ALL
), paired AS (
    SELECT run, episode, count(*) AS pairs FROM pairs GROUP BY ALL
)
SELECT
    e.run, e.iteration, e.strategy, e.policy, e.environment, e.task, e.episode,
    e.start_value, e.outcome, e.best, e.success, e.environment_seconds, e.seconds,
    coalesce(explored_steps, 0) AS steps,
    coalesce(stuck_steps, 0) AS stuck_steps,
    coalesce(candidates, 0) AS candidates,
    coalesce(duplicates, 0) AS duplicates,
    coalesce(rollouts, 0) + coalesce(e.unused_rollouts, 0) AS rollouts,
    coalesce(start_rollouts, 0) AS start_rollouts,
    coalesce(failed_rollouts, 0) AS failed_rollouts,
    e.generated_tokens, e.prompt_tokens, e.cached_tokens,
    -- What was drawn ahead (explore.width) and not used has no rows of its own.
    e.generated_tokens - coalesce(drawn.generated_tokens, 0) - coalesce(rolled.generated_tokens, 0)
        AS unused_tokens,
    coalesce(e.environment_steps, 0) AS environment_steps,
    coalesce(pairs, 0) AS pairs
FROM (SELECT * FROM episodes WHERE stage = 'explore') AS e
LEFT JOIN stepped USING (run, episode)
LEFT JOIN drawn USING (run, episode)
LEFT JOIN rolled USING (run, episode)
LEFT JOIN paired USING (run, episode);

-- One row an iteration and strategy of a run: exploration cost. Seconds are those of the whole stage.
CREATE VIEW exploration_cost AS
WITH staged AS (
    SELECT run, iteration, sum(seconds) AS seconds FROM stages WHERE stage = 'explore' GROUP BY ALL
), summed AS (
    SELECT
        run, iteration, strategy,
        count(*) AS tasks,
        sum(steps)::BIGINT AS steps,
        sum(candidates)::BIGINT AS candidates,
        sum(rollouts)::BIGINT AS rollouts,
        sum(failed_rollouts)::BIGINT AS failed_rollouts,
        sum(generated_tokens)::BIGINT AS generated_tokens,
        sum(prompt_tokens)::BIGINT AS prompt_tokens,
        sum(cached_tokens)::BIGINT AS cached_tokens,
        sum(unused_tokens)::BIGINT AS unused_tokens,
        sum(environment_steps)::BIGINT AS environment_steps,
        sum(environment_seconds) AS environment_seconds
    FROM task_summary GROUP BY ALL
)
SELECT summed.*, staged.seconds FROM summed LEFT JOIN staged USING (run, iteration);

-- One row an iteration and strategy of a run: exploration cost for one kept pair; null where none was kept.
CREATE VIEW cost_per_pair AS
WITH kept AS (
    SELECT run, iteration, strategy, count(*) AS pairs, avg(margin) AS mean_margin FROM pairs GROUP BY ALL
)
SELECT
    run, iteration, strategy,
    coalesce(pairs, 0) AS pairs,
    mean_margin,
    candidates / pairs AS candidates_per_pair,
    rollouts / pairs AS rollouts_per_pair,
    generated_tokens / pairs AS generated_tokens_per_pair,
    prompt_tokens / pairs AS prompt_tokens_per_pair,
    environment_steps / pairs AS environment_steps_per_pair,
    seconds / pairs AS seconds_per_pair
FROM exploration_cost LEFT JOIN kept USING (run, iteration, strategy);

-- One row an evaluated policy of a run, in the order of training: the SFT policy has place 1.
CREATE VIEW policy_order AS
WITH evaluated AS (
    SELECT run, policy, min(iteration) AS iteration FROM episodes WHERE stage = 'evaluate' GROUP BY ALL
), known AS (
    SELECT policy, any_value(stage) AS stage, min(iteration) AS iteration FROM policies GROUP BY ALL
)
SELECT
    e.run, e.policy, k.stage, coalesce(k.iteration, e.iteration) AS iteration,
    row_number() OVER (
        PARTITION BY e.run
        ORDER BY k.stage IS DISTINCT FROM 'sft', coalesce(k.iteration, e.iteration), e.policy
    ) AS place
FROM evaluated AS e LEFT JOIN known AS k USING (policy);

-- One row a policy, temperature and held-out task: means over its episodes.
CREATE VIEW evaluated_tasks AS
SELECT
    run, policy, temperature, task,
    count(*) AS episodes,
    avg(outcome) AS reward,
    avg(success::INTEGER) AS success,
    avg(steps) AS turns
FROM episodes WHERE stage = 'evaluate' GROUP BY ALL;
