-- Which orders book items of an order again.
CREATE INDEX orders_by_repairs ON orders (repairs, created_at_us);
