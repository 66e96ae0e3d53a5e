-- What the demo's books must show, computed from the raw files alone.
-- It shares nothing with the simulator: neither its reader, nor its rounding, nor its VAT table, nor the points engine.
-- Parameters: $transactions and $products are paths, $baskets is how many to take (NULL: all).
WITH basket AS (
    SELECT
        basket_id,
        transaction_timestamp AS sold
    FROM read_parquet($transactions)
    GROUP BY ALL
    ORDER BY transaction_timestamp, basket_id
    LIMIT coalesce($baskets, 9223372036854775807)
),

rate AS (
    SELECT
        product_id,
        brand = 'Private' AS is_private,
        CASE
            WHEN department IN (
                'GROCERY', 'FROZEN GROCERY', 'PRODUCE', 'PROD-WHS SALES', 'MEAT', 'MEAT-PCKGD',
                'SEAFOOD', 'SEAFOOD-PCKGD', 'DELI', 'PASTRY', 'NUTRITION'
            ) THEN 550
            WHEN department IN ('SALAD BAR', 'RESTAURANT', 'CHEF SHOPPE', 'FLORAL') THEN 1000
            ELSE 2000
        END AS vat_bp
    FROM read_parquet($products)
),

-- A text becomes a decimal of two places half up, so no floating-point arithmetic ever touches an amount.
cents AS (
    SELECT
        t.basket_id,
        b.sold,
        coalesce(r.is_private, false) AS is_private,
        coalesce(r.vat_bp, 2000) AS vat_bp,
        cast(cast(cast(t.sales_value AS VARCHAR) AS DECIMAL(15, 2)) * 100 AS BIGINT) AS sales,
        cast(cast(cast(t.coupon_disc AS VARCHAR) AS DECIMAL(15, 2)) * 100 AS BIGINT) AS promised
    FROM read_parquet($transactions) AS t
    INNER JOIN basket AS b ON t.basket_id = b.basket_id
    LEFT JOIN rate AS r ON t.product_id = r.product_id
),

line AS (
    SELECT
        *,
        least(sales, promised) AS coupon,
        greatest(promised - sales, 0) AS excess
    FROM cents
),

-- VAT is inside the price; it is rounded half up once per ticket and rate.
ticket_vat AS (
    SELECT
        basket_id,
        vat_bp,
        sum(sales) AS gross,
        (2 * sum(sales) * vat_bp + 10000 + vat_bp) // (2 * (10000 + vat_bp)) AS vat
    FROM line
    GROUP BY basket_id, vat_bp
),

ticket AS (
    SELECT
        sold,
        sum(sales - coupon) // 100 AS points,
        (5 * coalesce(sum(sales - coupon) FILTER (WHERE is_private), 0) + 50) // 100 AS kitty,
        date_trunc('month', sold) + INTERVAL 7 MONTH AS points_expire,
        make_date(cast(year(sold) AS INTEGER) + 1, 4, 1) AS kitty_expire
    FROM line
    GROUP BY basket_id, sold
),

-- The clock ends at the end of the last basket's day.
clock AS (SELECT date_trunc('day', max(sold)) + INTERVAL 1 DAY - INTERVAL 1 MICROSECOND AS at_end FROM basket)

SELECT
    (SELECT count(*) FROM basket) AS baskets,
    (SELECT count(*) FROM line) AS lines,
    (SELECT cast(sum(sales) AS BIGINT) FROM line) AS sales_minor,
    (SELECT cast(sum(coupon) AS BIGINT) FROM line) AS coupon_minor,
    (SELECT cast(sum(excess) AS BIGINT) FROM line) AS coupon_excess_minor,
    (SELECT cast(coalesce(sum(vat) FILTER (WHERE vat_bp = 550), 0) AS BIGINT) FROM ticket_vat) AS vat_550_minor,
    (SELECT cast(coalesce(sum(vat) FILTER (WHERE vat_bp = 1000), 0) AS BIGINT) FROM ticket_vat) AS vat_1000_minor,
    (SELECT cast(coalesce(sum(vat) FILTER (WHERE vat_bp = 2000), 0) AS BIGINT) FROM ticket_vat) AS vat_2000_minor,
    (SELECT cast(sum(points) AS BIGINT) FROM ticket) AS points_issued,
    (
        SELECT cast(coalesce(sum(t.points) FILTER (WHERE t.points_expire <= c.at_end), 0) AS BIGINT)
        FROM ticket AS t
        CROSS JOIN clock AS c
    ) AS points_expired,
    (SELECT cast(sum(kitty) AS BIGINT) FROM ticket) AS kitty_issued_minor,
    (
        SELECT cast(coalesce(sum(t.kitty) FILTER (WHERE t.kitty_expire <= c.at_end), 0) AS BIGINT)
        FROM ticket AS t
        CROSS JOIN clock AS c
    ) AS kitty_expired_minor;
