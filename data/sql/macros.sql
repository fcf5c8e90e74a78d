-- Macros that views, named queries and your own SQL share.

-- Bounds of the 95 % Wilson score interval of k successes in n trials; null where n is 0.
CREATE MACRO wilson_low(k, n) AS CASE WHEN n > 0 THEN greatest(0.0,
    (k + 1.9207294) / (n + 3.8414588) - 1.9599640 / (n + 3.8414588) * sqrt(k * (n - k) / n + 0.9603647)) END;
CREATE MACRO wilson_high(k, n) AS CASE WHEN n > 0 THEN least(1.0,
    (k + 1.9207294) / (n + 3.8414588) + 1.9599640 / (n + 3.8414588) * sqrt(k * (n - k) / n + 0.9603647)) END;

-- Share of steps at which a candidate rose. An aggregate over step_summary.rose; nulls do not count.
CREATE MACRO rising_share(rose) AS avg(rose::INTEGER);

-- Which third of an episode of so many steps the step with this index (from 0) lies in: 1, 2 or 3.
CREATE MACRO third_of(step_index, steps) AS (3 * step_index // steps + 1)::INTEGER;
