-- What the pairs bought, seed by seed and over all seeds
-- The run's last policy against its SFT policy on the held-out tasks that both played, and the same for
-- every run whose settings differ in the seed alone. Paired by task, 95 % interval by the normal
-- approximation; over all seeds a task counts once, with its mean over the seeds.
WITH same AS (
    SELECT run, seed
    FROM runs
    WHERE json_merge_patch(settings, '{"seed": null}') = (
        SELECT json_merge_patch(settings, '{"seed": null}') FROM runs WHERE run = run_or_latest($run)
    )
), paired AS (
    SELECT s.seed, b.temperature, b.task, b.reward AS before, a.reward AS after
    FROM same AS s
    JOIN policy_order AS first ON first.run = s.run AND first.place = 1
    JOIN policy_order AS last
        ON last.run = s.run AND last.place = (SELECT max(place) FROM policy_order WHERE run = s.run)
    JOIN evaluated_tasks AS b ON b.run = s.run AND b.policy = first.policy
    JOIN evaluated_tasks AS a
        ON a.run = s.run AND a.policy = last.policy AND a.task = b.task AND a.temperature = b.temperature
), labelled AS (
    SELECT seed::VARCHAR AS seed, temperature, before, after FROM paired
    UNION ALL
    SELECT 'all', temperature, avg(before), avg(after) FROM paired GROUP BY temperature, task
)
SELECT
    temperature,
    seed,
    count(*) AS tasks,
    avg(before) AS reward_before,
    avg(after) AS reward_after,
    avg(after - before) AS gain,
    gain - 1.96 * stddev_samp(after - before) / sqrt(count(*)) AS gain_low,
    gain + 1.96 * stddev_samp(after - before) / sqrt(count(*)) AS gain_high
FROM labelled
GROUP BY temperature, seed
ORDER BY temperature, seed = 'all', seed
