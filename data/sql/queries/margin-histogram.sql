-- Margins of the kept pairs
-- Chosen minus rejected value in tenths; a margin on a bound belongs to the bin above, 1.0 to the last.
WITH binned AS (
    -- Rounded first: 0.8 - 0.5 is a little more than 0.3, 0.6 - 0.3 a little less.
    SELECT iteration, strategy, least(floor(round(margin * 10, 6)), 9)::INTEGER AS bin
    FROM pairs WHERE run = run_or_latest($run)
), groups AS (
    SELECT DISTINCT iteration, strategy FROM binned
)
SELECT
    iteration, strategy,
    bin / 10 AS low,
    (bin + 1) / 10 AS high,
    count(binned.bin) AS pairs,
    count(binned.bin) / sum(count(binned.bin)) OVER (PARTITION BY iteration, strategy) AS share
FROM groups
CROSS JOIN (SELECT unnest(range(10))::INTEGER AS bin)
LEFT JOIN binned USING (iteration, strategy, bin)
GROUP BY iteration, strategy, bin
ORDER BY iteration, strategy, bin
