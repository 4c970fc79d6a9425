/**
 * The SQL of a store on PostgreSQL: its migration and its steps, each one statement.
 *
 * @module
 */

const TABLE = 'polyrail_store'
/** Sets these advisory locks apart from an application's own ("MPP1"). */
const LOCKS = 0x4d505031
/** The channel of LISTEN and NOTIFY; its messages are topics, which stand for keys. */
const CHANNEL = 'polyrail_changed'

/**
 * Writes the SQL that makes the table, its index and its claim function. Safe to run again, and at every deployment.
 *
 * @param table - The name of the table, plain and lower-case, with its schema if need be: `billing.polyrail_store`.
 * @throws TypeError for any other name.
 * @example
 * console.log(migration()) // into a migration of your own tool
 */
export function migration(table: string = TABLE): string {
  const name = plain(table)
  return `CREATE TABLE IF NOT EXISTS ${name} (
  key text COLLATE "C" PRIMARY KEY,
  value text NOT NULL,
  expires timestamptz NOT NULL
);
CREATE INDEX IF NOT EXISTS ${name.replace('.', '_')}_expires ON ${name} (expires);

-- Writes all rows and returns null; or writes none and returns what stands at each key.
-- Keys are taken in one order, so that claims which overlap wait for each other and never for themselves.
CREATE OR REPLACE FUNCTION ${name}_claim(keys text[], "values" text[], lives float8[])
RETURNS text[] LANGUAGE plpgsql AS $$
DECLARE
  entry record;
BEGIN
  BEGIN
    FOR entry IN
      SELECT * FROM unnest(keys, "values", lives) AS e (key, value, life) ORDER BY key COLLATE "C"
    LOOP
      INSERT INTO ${name} AS stands
        VALUES (entry.key, entry.value, now() + entry.life * interval '1 millisecond')
        ON CONFLICT (key) DO UPDATE SET value = excluded.value, expires = excluded.expires
        WHERE stands.expires <= now();
      IF NOT FOUND THEN
        RAISE EXCEPTION 'taken' USING ERRCODE = 'MPP01';
      END IF;
      PERFORM ${tell('entry.key')};
    END LOOP;
    RETURN NULL;
  EXCEPTION WHEN SQLSTATE 'MPP01' THEN
    -- The rows written so far are gone again.
  END;
  RETURN (
    SELECT array_agg(stands.value ORDER BY place)
    FROM unnest(keys) WITH ORDINALITY AS asked (key, place)
    LEFT JOIN ${name} AS stands ON stands.key = asked.key AND stands.expires > now()
  );
END $$;

-- Removes up to a thousand expired rows and returns how many. It goes along the index whatever the statistics say: where
-- millions have expired since they were taken, sorting them all for each batch would look cheap.
CREATE OR REPLACE FUNCTION ${name}_sweep() RETURNS integer LANGUAGE sql
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off AS $$
  WITH gone AS (
    DELETE FROM ${name} WHERE key = ANY (ARRAY(
      SELECT key FROM ${name} WHERE expires <= now() ORDER BY expires LIMIT 1000 FOR UPDATE SKIP LOCKED
    )) RETURNING 1
  )
  SELECT count(*)::int FROM gone
$$;
`
}

export type Statements = ReturnType<typeof createStatements>

/** The steps, with what each takes as `$1`, `$2`, … */
export function createStatements(table: string = TABLE) {
  const name = plain(table)
  const insert = `INSERT INTO ${name} AS stands VALUES ($1, $2, now() + $3::float8 * interval '1 millisecond')
    ON CONFLICT (key) DO UPDATE SET value = excluded.value, expires = excluded.expires`
  const told = (change: string) =>
    `WITH changed AS (${change} RETURNING key) SELECT ${tell('key')} FROM changed`
  return {
    get: `SELECT value FROM ${name} WHERE key = $1 AND expires > now()`,
    set: told(insert),
    delete: told(`DELETE FROM ${name} WHERE key = $1`),
    add: told(`${insert} WHERE stands.expires <= now()`),
    replace:
      told(`UPDATE ${name} SET value = $2, expires = now() + $3::float8 * interval '1 millisecond'
      WHERE key = $1 AND value = $4 AND expires > now()`),
    claim: `SELECT ${name}_claim($1, $2, $3) AS existing`,
    sweep: `SELECT ${name}_sweep() AS swept`,
    listen: `LISTEN ${CHANNEL}`,
    hold: `SELECT ${topicOf('$1::text')} AS topic, pg_advisory_lock_shared(${LOCKS}, ${topicOf('$1::text')})`,
    release: `SELECT pg_advisory_unlock_shared(${LOCKS}, ${topicOf('$1::text')})`,
  }
}

/** Two keys may share a topic: their waiters are then woken once too often. */
const topicOf = (key: string): string => `hashtext(${key})`

/**
 * Tells who waits for a key, if anybody does: NOTIFY makes all commits queue up, so it is not sent for nothing. Who waits
 * holds the topic's lock with others; where it can be had alone, nobody waits, and nobody begins to before this commit.
 */
const tell = (key: string): string =>
  `CASE WHEN NOT pg_try_advisory_xact_lock(${LOCKS}, ${topicOf(key)})
    THEN pg_notify('${CHANNEL}', ${topicOf(key)}::text) END`

function plain(table: string): string {
  if (!/^[a-z_][a-z0-9_]{0,49}(\.[a-z_][a-z0-9_]{0,49})?$/.test(table))
    throw new TypeError(
      `The table "${table}" must be a plain lower-case name of up to 50 characters, with its schema if need be.`,
    )
  return table
}
