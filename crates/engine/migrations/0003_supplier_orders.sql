-- A supplier's notification names only its own booking.
ALTER TABLE order_items ADD COLUMN supplier_order TEXT;
CREATE INDEX order_items_supplier_order ON order_items (supplier_order);
