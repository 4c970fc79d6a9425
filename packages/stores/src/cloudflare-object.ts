/**
 * The Durable Object that holds payments.
 *
 * @module
 */
import type { Step } from './cloudflare.js'
import { createTable, SCHEMA, type Query, type Table } from './table.js'
import { createWaiters } from './waiters.js'

/** Milliseconds between sweeps, while anything stands. */
const SWEEP = 60_000
const BATCH = 1000

/**
 * The class to export from a Worker and to bind with `new_sqlite_classes`. Its steps run to their end without a pause, so
 * nothing comes between them, and what they wrote is on disk before their answer goes out.
 *
 * @example
 * export { PaymentStore } from '@polyrail/stores/cloudflare'
 */
export class PaymentStore {
  private readonly storage: PaymentStore.Storage
  private readonly table: Table
  private readonly waiters = createWaiters(async () => () => undefined)
  private isSweeping = false

  constructor(state: { storage: PaymentStore.Storage }) {
    const { sql } = (this.storage = state.storage)
    const query: Query = (statement, ...params) => sql.exec(statement, ...params).toArray()
    for (const statement of SCHEMA) sql.exec(statement)
    this.table = createTable(query)
  }

  async fetch(request: Request): Promise<Response> {
    const step = (await request.json()) as Step
    if (step.step === 'wait') {
      await this.waiters.wait(step.key, { timeout: step.timeout, signal: request.signal })
      return Response.json({ answer: null })
    }
    if (step.step !== 'get') await this.planSweep()
    return Response.json({ answer: this.act(step) ?? null })
  }

  /** Sweeps expired rows, a batch at a time. */
  async alarm(): Promise<void> {
    const isMore = this.table.sweep(BATCH) === BATCH
    this.isSweeping = isMore || !this.table.isEmpty()
    if (this.isSweeping) await this.storage.setAlarm(Date.now() + (isMore ? 100 : SWEEP))
  }

  private async planSweep(): Promise<void> {
    if (this.isSweeping) return
    this.isSweeping = true
    if ((await this.storage.getAlarm()) === null) await this.storage.setAlarm(Date.now() + SWEEP)
  }

  private act(step: Exclude<Step, { step: 'wait' }>): unknown {
    const { table, waiters } = this
    switch (step.step) {
      case 'get':
        return table.get(step.key)
      case 'delete':
        table.delete(step.key)
        return waiters.wake(step.key)
      case 'set':
        table.set(step.row)
        return waiters.wake(step.row.key)
      case 'compareAndSet': {
        const done = table.compareAndSet(step.row, step.expected)
        if (done) waiters.wake(step.row.key)
        return done
      }
      default: {
        const existing = this.storage.transactionSync(() => table.claim(step.rows))
        if (!existing) for (const { key } of step.rows) waiters.wake(key)
        // JSON has no undefined.
        return existing?.map((value) => value ?? null)
      }
    }
  }
}

export declare namespace PaymentStore {
  /** What is used of an object's storage. */
  type Storage = {
    sql: {
      exec(
        statement: string,
        ...params: (string | number)[]
      ): { toArray(): Record<string, string | number | ArrayBuffer | null>[] }
    }
    transactionSync<value>(act: () => value): value
    getAlarm(): Promise<number | null>
    setAlarm(time: number): Promise<void>
  }
}
