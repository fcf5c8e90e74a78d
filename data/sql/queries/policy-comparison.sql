-- Each policy against the one before
-- Held-out tasks that both were evaluated on, at the same temperature, task by task.
SELECT
    b.temperature,
    p.policy AS before,
    n.policy AS after,
    count(*) AS tasks,
    avg(b.reward) AS reward_before,
    avg(a.reward) AS reward_after,
    avg(a.reward - b.reward) AS difference,
    count(*) FILTER (a.reward > b.reward) AS better,
    count(*) FILTER (a.reward = b.reward) AS equal,
    count(*) FILTER (a.reward < b.reward) AS worse
FROM policy_order AS p
JOIN policy_order AS n ON n.run = p.run AND n.place = p.place + 1
JOIN evaluated_tasks AS b ON b.run = p.run AND b.policy = p.policy
JOIN evaluated_tasks AS a
    ON a.run = n.run AND a.policy = n.policy AND a.task = b.task AND a.temperature = b.temperature
WHERE p.run = run_or_latest($run)
GROUP BY p.place, b.temperature, p.policy, n.policy
ORDER BY b.temperature, p.place
