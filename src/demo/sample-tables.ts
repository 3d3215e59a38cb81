/** What the demo's database holds: a small shop. */

export const SAMPLE_TABLES = `
CREATE TABLE customers (
  id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name text NOT NULL,
  city text NOT NULL
);
CREATE TABLE orders (
  id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  customer integer NOT NULL REFERENCES customers,
  item text NOT NULL,
  cents integer NOT NULL CHECK (cents > 0),
  placed date NOT NULL
);
INSERT INTO customers (name, city) VALUES
  ('Ada Lovelace', 'London'), ('Edsger Dijkstra', 'Nuenen'), ('Grace Hopper', 'Arlington'), ('Radia Perlman', 'Loudon');
INSERT INTO orders (customer, item, cents, placed)
  SELECT 1 + n % 4, (ARRAY['lamp', 'desk', 'chair', 'shelf', 'clock'])[1 + n % 5], 1500 + n * 137 % 9000, DATE '2026-01-01' + n * 3
  FROM generate_series(1, 100) AS n;
ANALYZE;
`
