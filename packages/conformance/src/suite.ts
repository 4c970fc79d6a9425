/**
 * All that a rail has to pass, as plain tests for whatever runs them.
 *
 * @module
 */
import { createBench, type Bench, type Seams } from './bench.js'
import { applies, type Case } from './case.js'
import { methodCases, wireCases } from './cases/index.js'
import type { Rail } from './rail.js'
import { checkExemptions } from './run.js'
import { wire } from './wire.js'

/** One test: run it, or say why it is left out. */
export type Test = { id: string; title: string; leftOut?: string; run(): Promise<void> }

/**
 * Picks the cases that apply to a rail: the method cases on a bench, and the wire cases against a
 * shop on that bench.
 *
 * @param options.copies - How many copies of one credential race (100).
 * @throws TypeError when an exemption names a case that does not exist.
 * @example
 * for (const { title, run } of suite(rail)) test(title, run)
 */
export function suite(rail: Rail, options: suite.Options = {}): Test[] {
  const { exempt = {}, capabilities } = rail
  const bench = createBench(rail, options.seams)
  const shop = () => openShop(bench)
  const { payer, capture, refund } = rail.server
  const declared = { provesPayer: !!payer, captures: !!capture, refunds: !!refund }
  const has = { ...capabilities, ...declared, pay: true, body: true, other: true, unsafe: true }
  const cases = methodCases(options)
  checkExemptions([...cases, ...wireCases], exempt)
  const prepare = <context>(all: readonly Case<context>[], context: () => context): Test[] =>
    all
      .filter(({ needs }) => applies(needs, has))
      .map((one) => {
        const reason = exempt[one.id]
        const run = () => one.run(context())
        const { id, title } = one
        return reason === undefined ? { id, title, run } : { id, title, run, leftOut: reason }
      })
  return [...prepare(cases, () => bench), ...prepare(wireCases, shop)]
}

export declare namespace suite {
  type Options = { copies?: number; /** Only for mutants. */ seams?: Seams }
}

/** The wire cases ask for a priced POST, so that the body is bound too. */
function openShop(bench: Bench) {
  const { fetch, url, other = url, pay } = bench.open()
  return wire({ url, other, fetch, pay, method: 'POST', body: '{"quantity":1}' })
}
