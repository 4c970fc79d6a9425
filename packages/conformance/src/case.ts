/**
 * A conformance case as data, and the one assertion that every case uses.
 *
 * @module
 */
import { describe, type Answer } from './answer.js'

/** One promise of the protocol, as a small program that fails when the promise is broken. */
export type Case<context> = {
  /** `noun/what-it-says`, stable: exemptions, mutants and traces name it. */
  readonly id: string
  /** Ids of `tooling/spec`, such as `core-017`. */
  readonly requirements: readonly string[]
  /** Numbers of the threat list that the case guards against. */
  readonly threats?: readonly number[]
  /** What holds, in words. */
  readonly title: string
  /** What the thing under test must have (`pushes`) or lack (`!pushes`) for the case to apply. */
  readonly needs?: readonly string[]
  run(context: context): Promise<void>
}

/**
 * Says whether a case applies to what is under test.
 *
 * @param needs - Names, each plain or with a `!` before it.
 * @param has - What is declared; a name left out counts as absent.
 * @example
 * applies(['pay', '!pushes'], { pay: true, pushes: false }) // true
 */
export function applies(
  needs: readonly string[] | undefined,
  has: Readonly<Record<string, boolean>>,
): boolean {
  return (needs ?? []).every((need) =>
    need.startsWith('!') ? has[need.slice(1)] !== true : has[need] === true,
  )
}

/**
 * Fails the running case unless `holds` is truthy.
 *
 * @param breakage - What is wrong with the thing under test, as a sentence without a full stop.
 * @param seen - The answer that shows it; its status and problem are added to the message.
 * @throws Error with the breakage as its message.
 * @example
 * must(answer.status === 402, 'a request without a credential gets the page', answer)
 */
export function must(holds: unknown, breakage: string, seen?: Answer): asserts holds {
  if (holds) return
  const error = new Error(seen ? `${breakage} (got ${describe(seen)})` : breakage)
  error.name = 'ConformanceFailure'
  throw error
}
