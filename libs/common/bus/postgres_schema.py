"""The embedded bus's tables, its one function that appends, and who may use what: SQL for its database's owner.

An append looks the session's user up; nobody but the owner changes or deletes a record, or moves an offset;
what is older than the owner keeps it, a service may delete.
"""

from libs.common.running.retention import BUS_FUNCTION

SCHEMA = (
    """
SELECT pg_advisory_xact_lock(hashtext('bus schema'));
CREATE TABLE IF NOT EXISTS bus_partition (
  topic text, partition integer, next_offset bigint NOT NULL DEFAULT 0, PRIMARY KEY (topic, partition));
CREATE TABLE IF NOT EXISTS bus_record (
  topic text, partition integer, "offset" bigint, key bytea, headers bytea NOT NULL, value bytea,
  at timestamptz NOT NULL DEFAULT clock_timestamp(), PRIMARY KEY (topic, partition, "offset"));
DO $$ BEGIN
  IF EXISTS (SELECT FROM information_schema.columns WHERE table_schema = current_schema() AND table_name = 'bus_record'
             AND column_name = 'key' AND data_type = 'text') THEN  -- made before a key could be any bytes, or null
    ALTER TABLE bus_record ALTER COLUMN key TYPE bytea USING convert_to(key, 'UTF8'), ALTER COLUMN key DROP NOT NULL,
                           ALTER COLUMN value DROP NOT NULL;
  END IF;
END $$;
CREATE TABLE IF NOT EXISTS bus_horizon (topic text PRIMARY KEY, kept interval NOT NULL);
CREATE TABLE IF NOT EXISTS bus_grant (
  principal name, topic text, writes boolean NOT NULL, reads boolean NOT NULL, PRIMARY KEY (principal, topic));

DROP FUNCTION IF EXISTS bus_append(text[], integer[], text[], bytea[], bytea[]);  -- a key was text
CREATE OR REPLACE FUNCTION bus_append(topics text[], partitions integer[], keys bytea[], headers bytea[], vals bytea[])
RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  written bigint;
BEGIN
  IF session_user <> current_user AND EXISTS (
    SELECT FROM unnest(topics) AS w (topic) WHERE NOT EXISTS (
      SELECT FROM bus_grant g WHERE g.principal = session_user AND g.topic = w.topic AND g.writes)) THEN
    RAISE insufficient_privilege USING MESSAGE = 'this topic is not yours to write';
  END IF;
  PERFORM FROM bus_partition b WHERE (b.topic, b.partition) IN (SELECT * FROM unnest(topics, partitions))
    ORDER BY b.topic, b.partition FOR UPDATE;
  INSERT INTO bus_record (topic, partition, "offset", key, headers, value)
    SELECT w.topic, w.partition, b.next_offset - 1 + row_number() OVER (PARTITION BY w.topic, w.partition ORDER BY w.n),
           w.key, w.headers, w.value
    FROM unnest(topics, partitions, keys, headers, vals) WITH ORDINALITY AS w (topic, partition, key, headers, value, n)
    JOIN bus_partition b USING (topic, partition);
  GET DIAGNOSTICS written = ROW_COUNT;
  IF written <> cardinality(topics) THEN
    RAISE no_data_found USING MESSAGE = 'there is no such partition';
  END IF;
  UPDATE bus_partition b SET next_offset = b.next_offset + c.count
    FROM (SELECT topic, partition, count(*) FROM unnest(topics, partitions) AS w (topic, partition) GROUP BY 1, 2) AS c
    WHERE b.topic = c.topic AND b.partition = c.partition;
END $$;
REVOKE ALL ON FUNCTION bus_append FROM PUBLIC;

ALTER TABLE bus_record ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS readable ON bus_record;
CREATE POLICY readable ON bus_record FOR SELECT
  USING (topic = ANY (ARRAY(SELECT g.topic FROM bus_grant g WHERE g.principal = current_user AND g.reads)));
"""  # noqa: S608 - constants
    + BUS_FUNCTION
    + "REVOKE ALL ON FUNCTION bus_forget FROM PUBLIC;"
)
KEEP = """
INSERT INTO bus_horizon (topic, kept) VALUES ($1, $2) ON CONFLICT (topic) DO UPDATE SET kept = excluded.kept
"""
FORGET_GRANTS = "DELETE FROM bus_grant"
GRANT = "INSERT INTO bus_grant (principal, topic, writes, reads) VALUES ($1, $2, $3, $4)"
ADMIT = """
GRANT SELECT ON bus_partition, bus_record, bus_grant TO {role};
GRANT EXECUTE ON FUNCTION bus_append, bus_forget TO {role};
"""
