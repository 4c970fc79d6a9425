/**
 * One honest purchase: the 402, the payment, the page.
 *
 * @module
 */
import type { Answer } from './answer.js'
import { must } from './case.js'
import type { Change, Wire } from './wire.js'

/**
 * Asks, pays and asks again.
 *
 * @returns The Authorization value that paid, and the answer to it, which is below 400.
 * @throws when the honest payment is refused.
 * @example
 * const { authorization, answer } = await buy(target)
 */
export async function buy(
  target: Pick<Wire, 'send' | 'pay'>,
  change: Change = {},
): Promise<{ authorization: string; answer: Answer }> {
  const authorization = await target.pay(await target.send(change))
  const headers = { ...change.headers, authorization }
  const answer = await target.send({ ...change, headers })
  must(answer.status < 400, 'an honest payment does not open the page', answer)
  return { authorization, answer }
}
