-- What the demo's books must show, computed from the raw files and from who paid what by phone.
-- It shares nothing with the simulator or the services: neither reader, nor rounding, nor VAT table, nor points engine.
-- Parameters: $transactions and $products are paths, $baskets is how many to take (NULL: all). The table `phone` says
-- which baskets were paid by phone: store, time and total find the basket, `reduction` is what kitty and points paid
-- of it, `is_returned` whether it was brought back.
WITH basket AS (
    SELECT
        basket_id,
        store_id,
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
        b.store_id,
        b.sold,
        t.file_row_number AS place,
        coalesce(r.is_private, false) AS is_private,
        coalesce(r.vat_bp, 2000) AS vat_bp,
        cast(cast(cast(t.sales_value AS VARCHAR) AS DECIMAL(15, 2)) * 100 AS BIGINT) AS sales,
        cast(cast(cast(t.coupon_disc AS VARCHAR) AS DECIMAL(15, 2)) * 100 AS BIGINT) AS promised
    FROM read_parquet($transactions, file_row_number = true) AS t
    INNER JOIN basket AS b ON t.basket_id = b.basket_id
    LEFT JOIN rate AS r ON t.product_id = r.product_id
),

plain_line AS (
    SELECT
        *,
        least(sales, promised) AS coupon,
        greatest(promised - sales, 0) AS excess,
        sum(sales) OVER (PARTITION BY basket_id) AS total
    FROM cents
),

paid_line AS (
    SELECT
        l.*,
        coalesce(p.reduction, 0) AS reduction,
        coalesce(p.is_returned, false) AS is_returned,
        p.total IS NOT NULL AS is_by_phone
    FROM plain_line AS l
    LEFT JOIN phone AS p ON l.store_id = p.store_id AND l.sold = p.sold AND l.total = p.total
),

-- Kitty and points reduce each line in proportion to what the coupon leaves of it: whole cents first, then one cent each
-- to the largest remainders, the earlier line first among equals.
weighed AS (
    SELECT
        *,
        reduction * (sales - coupon) AS part,
        greatest(sum(sales - coupon) OVER (PARTITION BY basket_id), 1) AS whole
    FROM paid_line
),

ranked AS (
    SELECT
        *,
        reduction - sum(part // whole) OVER (PARTITION BY basket_id) AS left_over,
        row_number() OVER (PARTITION BY basket_id ORDER BY part % whole DESC, place) AS turn
    FROM weighed
),

line AS (
    SELECT
        *,
        sales - coupon - part // whole - CASE WHEN turn <= left_over THEN 1 ELSE 0 END AS base
    FROM ranked
),

-- The same reduction over the VAT rates of a ticket, in proportion to their sales.
rate_sales AS (
    SELECT
        basket_id,
        vat_bp,
        is_returned,
        reduction,
        sum(sales) AS gross,
        reduction * sum(sales) AS part,
        greatest(sum(sum(sales)) OVER (PARTITION BY basket_id), 1) AS whole
    FROM line
    GROUP BY basket_id, vat_bp, is_returned, reduction
),

rate_ranked AS (
    SELECT
        *,
        reduction - sum(part // whole) OVER (PARTITION BY basket_id) AS left_over,
        row_number() OVER (PARTITION BY basket_id ORDER BY part % whole DESC, vat_bp) AS turn
    FROM rate_sales
),

rate_net AS (
    SELECT
        basket_id,
        vat_bp,
        is_returned,
        gross - part // whole - CASE WHEN turn <= left_over THEN 1 ELSE 0 END AS price
    FROM rate_ranked
),

-- VAT is inside the price; it is rounded half up once per ticket and rate. What was brought back bears none.
ticket_vat AS (
    SELECT
        basket_id,
        vat_bp,
        (2 * price * vat_bp + 10000 + vat_bp) // (2 * (10000 + vat_bp)) AS vat
    FROM rate_net
    WHERE NOT is_returned
),

ticket AS (
    SELECT
        sold,
        is_returned,
        is_by_phone,
        sum(sales) AS sales,
        sum(base) // 100 AS points,
        (5 * coalesce(sum(base) FILTER (WHERE is_private), 0) + 50) // 100 AS kitty,
        date_trunc('month', sold) + INTERVAL 7 MONTH AS points_expire,
        make_date(cast(year(sold) AS INTEGER) + 1, 4, 1) AS kitty_expire
    FROM line
    GROUP BY basket_id, sold, is_returned, is_by_phone
),

-- The clock ends at the end of the last basket's day.
clock AS (SELECT date_trunc('day', max(sold)) + INTERVAL 1 DAY - INTERVAL 1 MICROSECOND AS at_end FROM basket)

SELECT
    (SELECT count(*) FROM basket) AS baskets,
    (SELECT count(*) FROM ticket WHERE is_by_phone) AS by_phone,
    (SELECT count(*) FROM line) AS lines,
    (SELECT cast(sum(sales) AS BIGINT) FROM line) AS sales_minor,
    (SELECT cast(coalesce(sum(sales) FILTER (WHERE is_returned), 0) AS BIGINT) FROM ticket) AS returned_minor,
    (SELECT cast(sum(coupon) AS BIGINT) FROM line) AS coupon_minor,
    (SELECT cast(sum(excess) AS BIGINT) FROM line) AS coupon_excess_minor,
    (SELECT cast(coalesce(sum(vat) FILTER (WHERE vat_bp = 550), 0) AS BIGINT) FROM ticket_vat) AS vat_550_minor,
    (SELECT cast(coalesce(sum(vat) FILTER (WHERE vat_bp = 1000), 0) AS BIGINT) FROM ticket_vat) AS vat_1000_minor,
    (SELECT cast(coalesce(sum(vat) FILTER (WHERE vat_bp = 2000), 0) AS BIGINT) FROM ticket_vat) AS vat_2000_minor,
    (SELECT cast(sum(points) AS BIGINT) FROM ticket) AS points_issued,
    (SELECT cast(coalesce(sum(points) FILTER (WHERE is_returned), 0) AS BIGINT) FROM ticket) AS points_returned,
    (
        SELECT cast(coalesce(sum(t.points) FILTER (WHERE t.points_expire <= c.at_end), 0) AS BIGINT)
        FROM ticket AS t
        CROSS JOIN clock AS c
    ) AS points_expired,
    (SELECT cast(sum(kitty) AS BIGINT) FROM ticket) AS kitty_issued_minor,
    (SELECT cast(coalesce(sum(kitty) FILTER (WHERE is_returned), 0) AS BIGINT) FROM ticket) AS kitty_returned_minor,
    (
        SELECT cast(coalesce(sum(t.kitty) FILTER (WHERE t.kitty_expire <= c.at_end), 0) AS BIGINT)
        FROM ticket AS t
        CROSS JOIN clock AS c
    ) AS kitty_expired_minor;
