/**
 * A backend of whatever runs Lua scripts as Redis does.
 *
 * @module
 */
import type { Backend, Row } from './guard.js'
import { channelOf, CLAIM, COMPARE_AND_SET, DELETE, SET, type Run } from './lua.js'

/** Every step is one script, and so one round trip. */
export function scripted(name: string, run: Run, get: Backend['get']): Omit<Backend, 'wait'> {
  return {
    name,
    get,
    set: (row) => run(SET, [row.key], argsOf(row)),
    delete: (key) => run(DELETE, [key], [channelOf(key)]),
    compareAndSet: async (row, expected = '') =>
      (await run(COMPARE_AND_SET, [row.key], [...argsOf(row), expected])) === 1,
    async claim(rows) {
      const existing = await run(
        CLAIM,
        rows.map(({ key }) => key),
        rows.flatMap(argsOf),
      )
      if (existing === 1) return undefined
      // Whatever else is said, it is not that the claim was won.
      if (Array.isArray(existing) && existing.length === rows.length) return existing
      throw new Error('A claim was answered with neither 1 nor a list.')
    },
  }
}

const argsOf = ({ key, value, life }: Row): string[] => [value, String(life), channelOf(key)]
