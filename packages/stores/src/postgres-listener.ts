/**
 * Hears what changes in PostgreSQL, on one connection.
 *
 * @module
 */
import type { postgres } from './postgres.js'
import type { Statements } from './postgres-schema.js'
import { createWaiters, type Wait } from './waiters.js'

type Ear = {
  client: postgres.Client
  /** Asks one thing at a time, as a client of pg wants it. */
  ask: postgres.Client['query']
  topics: Map<string, string[]>
}

/** Waits for keys; the connection is taken at the first wait, and taken anew after it was lost. */
export function createListener(
  pool: postgres.Pool,
  statements: Statements,
): { wait: Wait; close(): Promise<void> } {
  let opening: Promise<Ear> | undefined
  const waiters = createWaiters(listen)

  /** Advisory locks end with their connection, and so does every wait on it. */
  function lose({ client }: Ear): void {
    opening = undefined
    client.release(true)
    waiters.reset()
  }

  async function open(): Promise<Ear> {
    const client = await pool.connect()
    const ear: Ear = { client, ask: inTurn(client), topics: new Map() }
    client.on('error', () => void (opening && lose(ear)))
    client.on('notification', ({ payload = '' }) => {
      for (const key of ear.topics.get(payload) ?? []) waiters.wake(key)
    })
    await ear.ask(statements.listen, [])
    return ear
  }

  async function listen(key: string): Promise<() => Promise<void>> {
    opening ??= open()
    opening.catch(() => (opening = undefined))
    const { ask, topics } = await opening
    const [held] = (await ask(statements.hold, [key])).rows
    const topic = String(held?.['topic'])
    topics.set(topic, [...(topics.get(topic) ?? []), key])
    return async () => {
      const others = topics.get(topic)?.filter((other) => other !== key) ?? []
      if (others.length > 0) topics.set(topic, others)
      else topics.delete(topic)
      await ask(statements.release, [key]).catch(() => undefined)
    }
  }

  return {
    wait: waiters.wait,
    async close() {
      const ear = await opening?.catch(() => undefined)
      if (ear && opening) lose(ear)
    },
  }
}

function inTurn(client: postgres.Client): postgres.Client['query'] {
  let last: Promise<unknown> = Promise.resolve()
  return (sql, values) => {
    const answer = last.then(() => client.query(sql, values))
    last = answer.catch(() => undefined)
    return answer
  }
}
