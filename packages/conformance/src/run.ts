/**
 * Runs cases one after the other and says what came of each.
 *
 * @module
 */
import { applies, type Case } from './case.js'

export type Result = {
  id: string
  title: string
  requirements: readonly string[]
  threats: readonly number[]
  status: 'passed' | 'failed' | 'left out'
  /** Why it failed or was left out. */
  reason?: string
  milliseconds: number
}

export type Report = {
  passed: number
  failed: number
  leftOut: number
  results: readonly Result[]
}

/**
 * Runs cases against a context.
 *
 * @param options.has - What the thing under test declares; cases that need more do not apply and are not reported.
 * @param options.exempt - Case id → why it is left out.
 * @param options.timeout - Milliseconds for one case (30,000).
 * @param options.onResult - Told of each result as it comes.
 * @throws TypeError when an exemption names a case that does not exist.
 * @example
 * const report = await run(wireCases, { context: wire(target), has: traits(target) })
 * process.exitCode = report.failed === 0 ? 0 : 1
 */
export async function run<context>(
  cases: readonly Case<context>[],
  options: run.Options<context>,
): Promise<Report> {
  const { context, has = {}, exempt = {}, onResult } = options
  checkExemptions(cases, exempt)
  const results: Result[] = []
  for (const one of cases.filter(({ needs }) => applies(needs, has))) {
    const reason = exempt[one.id]
    const result =
      reason === undefined ? await runOne(one, { ...options, context }) : leaveOut(one, reason)
    results.push(result)
    onResult?.(result)
  }
  const count = (status: Result['status']) => results.filter((one) => one.status === status).length
  return { passed: count('passed'), failed: count('failed'), leftOut: count('left out'), results }
}

export declare namespace run {
  type Options<context> = {
    context: context
    has?: Readonly<Record<string, boolean>>
    exempt?: Readonly<Record<string, string>>
    timeout?: number
    onResult?: (result: Result) => void
  }
}

/**
 * Refuses an exemption that exempts nothing, so that none outlives its case.
 *
 * @throws TypeError naming the exemption.
 */
export function checkExemptions(
  cases: readonly Case<never>[],
  exempt: Readonly<Record<string, string>>,
): void {
  for (const [id, reason] of Object.entries(exempt)) {
    if (!cases.some((one) => one.id === id))
      throw new TypeError(`There is no case "${id}" to exempt.`)
    if (reason.trim() === '') throw new TypeError(`The exemption of "${id}" gives no reason.`)
  }
}

async function runOne<context>(one: Case<context>, options: run.Options<context>): Promise<Result> {
  const { context, timeout = 30_000 } = options
  const started = performance.now()
  const result = (more: Pick<Result, 'status' | 'reason'>): Result => ({
    ...describe(one),
    ...more,
    milliseconds: Math.round(performance.now() - started),
  })
  let timer: ReturnType<typeof setTimeout> | undefined
  const late = new Promise<never>((_, reject) => {
    const message = `no end within ${timeout} ms: something under test hangs`
    timer = setTimeout(() => reject(new Error(message)), timeout)
  })
  try {
    await Promise.race([one.run(context), late])
    return result({ status: 'passed' })
  } catch (error) {
    return result({
      status: 'failed',
      reason: error instanceof Error ? error.message : String(error),
    })
  } finally {
    clearTimeout(timer)
  }
}

const leaveOut = (one: Case<never>, reason: string): Result => ({
  ...describe(one),
  status: 'left out',
  reason,
  milliseconds: 0,
})

const describe = ({ id, title, requirements, threats = [] }: Case<never>) => ({
  id,
  title,
  requirements,
  threats,
})
