/**
 * Hears what changes in PostgreSQL, on one connection.
 *
 * @module
 */
import type { postgres } from './postgres.js'
import type { Statements } from './postgres-schema.js'
import { createWaiters, type Wait } from './waiters.js'

type Ear = {
  /** Asks one thing at a time, as a client of pg wants it. */
  ask: postgres.Client['query']
  /** The keys of each topic that somebody waits for. */
  topics: Map<string, string[]>
  close(): void
}

/** Waits for keys; the connection is taken at the first wait, and taken anew after it was lost. */
export function createListener(
  pool: postgres.Pool,
  statements: Statements,
): { wait: Wait; close(): Promise<void> } {
  let current: Promise<Ear> | undefined
  const waiters = createWaiters(listen)

  function hear(): Promise<Ear> {
    if (current) return current
    const forget = () => {
      if (current === opening) current = undefined
    }
    const opening = open(forget)
    opening.catch(forget)
    return (current = opening)
  }

  async function open(forget: () => void): Promise<Ear> {
    const client = await pool.connect()
    const [ask, topics] = [inTurn(client), new Map<string, string[]>()]
    let isOpen = true
    function giveBack(): void {
      if (isOpen) client.release(true)
      isOpen = false
      forget()
    }
    /** Advisory locks end with their connection, and so does every wait on it. */
    function close(): void {
      giveBack()
      waiters.reset()
    }
    client.on('error', () => void (isOpen && close()))
    client.on('notification', ({ payload = '' }) => {
      for (const key of topics.get(payload) ?? []) waiters.wake(key)
    })
    try {
      await ask(statements.listen, [])
    } catch (cause) {
      // Who cannot be heard must not keep the connection; who waits looks again after a while, not now.
      giveBack()
      throw cause
    }
    return { ask, topics, close }
  }

  async function listen(key: string): Promise<() => Promise<void>> {
    const { ask, topics } = await hear()
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
      const ear = await current?.catch(() => undefined)
      ear?.close()
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
