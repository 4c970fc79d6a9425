/**
 * A refusal in the words of the draft of the method that it is about.
 *
 * @module
 */
import type * as Errors from '../../Errors.js'
import type { Problems, Server } from '../../Method.js'
import type { Offer } from '../route.js'
import type { Refusal } from './receive.js'

/**
 * Puts the problem type of a method's own draft in the place of core's. The code stays.
 *
 * @param method - Of the offer that the credential answers; else the one that it names, or the only one that is offered.
 */
export function inWordsOf(
  method: Server | undefined,
  refusal: Refusal,
  offers: readonly Offer[],
): Errors.Problem {
  const { refused, isExpired } = refusal
  const problems = (method ?? refusal.method ?? onlyOf(offers))?.problems
  const own = problems?.[isExpired ? 'expired-challenge' : (refused.code as keyof Problems)]
  return own ? { ...refused, ...own } : refused
}

function onlyOf([first, ...others]: readonly Offer[]): Server | undefined {
  const isOnly = others.every(({ method }) => method.name === first?.method.name)
  return isOnly ? first?.method : undefined
}
