/**
 * All cases, by what they are run against.
 *
 * @module
 */
import type { Bench } from '../bench.js'
import type { Case } from '../case.js'
import type { ClientBench } from '../purse.js'
import type { Wire } from '../wire.js'
import { consent } from './client/consent.js'
import { payment } from './client/payment.js'
import { reading } from './client/reading.js'
import { binding as methodBinding } from './method/binding.js'
import { capture } from './method/capture.js'
import { challenge as methodChallenge } from './method/challenge.js'
import { concurrency } from './method/concurrency.js'
import { idempotency } from './method/idempotency.js'
import { operator } from './method/operator.js'
import { proof } from './method/proof.js'
import { receipt as methodReceipt } from './method/receipt.js'
import { recovery } from './method/recovery.js'
import { refund } from './method/refund.js'
import { replay } from './method/replay.js'
import { verdict } from './method/verdict.js'
import { binding } from './wire/binding.js'
import { caching } from './wire/caching.js'
import { challenge } from './wire/challenge.js'
import { errors } from './wire/errors.js'
import { malformed } from './wire/malformed.js'
import { negotiation } from './wire/negotiation.js'
import { receipt } from './wire/receipt.js'
import { unpaid } from './wire/unpaid.js'

/** For any server, in any language, over HTTP. */
export const wireCases: readonly Case<Wire>[] = [
  ...challenge,
  ...unpaid,
  ...malformed,
  ...errors,
  ...caching,
  ...negotiation,
  ...binding,
  ...receipt,
]

/**
 * For any rail, on a bench.
 *
 * @param options.copies - How many copies of one credential race (100).
 */
export function methodCases(options: { copies?: number } = {}): readonly Case<Bench>[] {
  return [
    ...methodChallenge,
    ...proof,
    ...verdict,
    ...methodBinding,
    ...replay,
    ...concurrency(options),
    ...recovery,
    ...capture,
    ...refund,
    ...methodReceipt,
    ...idempotency,
    ...operator,
  ]
}

/** For a paying client. */
export const clientCases: readonly Case<ClientBench>[] = [...payment, ...consent, ...reading]

export { concurrentCopies } from './method/concurrency.js'
