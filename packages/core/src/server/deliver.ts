/**
 * Brings the application's answer to its visitor, with the receipt, and closes the payment.
 *
 * @module
 */
import * as Receipt from '../Receipt.js'
import { isThenable } from './deadline.js'
import { forward } from './forward.js'
import { keepLease } from './lease.js'
import { describe, type AuthorizedVisit, type PaidVisit } from './serve.js'
import { flowing, keep, readAnswer, replay, type Flow } from './steps/answer.js'
import { advance } from './steps/claim.js'
import { refuseHeld } from './steps/conclude.js'
import { tryEnter } from './steps/enter.js'
import { delivered, owed, type PaymentRecord } from './steps/record.js'
import { addHeaders, attachReceipt, replyWith, type Carrier } from './steps/respond.js'
import { passOn } from './stream.js'
import { isResponse, toResponse, type Reply } from './transport.js'

/** Closes the payment with the answer that goes out; one of 400 and above leaves it owed. */
export function conclude<answer>(
  visit: PaidVisit,
  status: number,
  answer: () => answer,
): answer | undefined {
  const { lease, isDelivered } = visit
  try {
    if (status >= 400) return undefined
    const last = answer()
    visit.isDelivered = true
    return last
  } finally {
    if (!isDelivered)
      void close(visit, visit.isDelivered ? delivered(lease.record) : owed(lease.record))
  }
}

export function respond(visit: PaidVisit, response: Response): Response {
  const receipted = attachReceipt(response, Receipt.serialize(visit.receipt))
  const last = visit.bound.offer.method.onRespond ? showRail(visit, receipted) : receipted
  tellDelivered(visit)
  return last
}

/** The rail's last look. The payer has paid by now: whatever the hook does, there is an answer. */
function showRail({ bound, receipt }: PaidVisit, response: Response): Response {
  const { method, kernel } = bound.offer
  const tell = (cause: unknown): void => kernel.events.emit('error', () => ({ cause }))
  try {
    const shown: unknown = method.onRespond?.(receipt, response)
    if (isThenable(shown)) void shown.then(undefined, tell)
    else if (isResponse(shown)) return shown
  } catch (cause) {
    tell(cause)
  }
  return response
}

/** Like `respond`, for headers on their way out of a rail that wants no look at the response. */
export function respondWith(visit: PaidVisit, headers: Carrier): void {
  addHeaders(headers, Receipt.serialize(visit.receipt))
  tellDelivered(visit)
}

const tellDelivered = ({ bound, receipt, inbound }: PaidVisit): void =>
  bound.offer.kernel.events.emit('delivered', () => ({ ...describe(bound, inbound), receipt }))

/**
 * Runs the application and records its answer before it goes out. Whatever goes wrong in it leaves
 * the payment owed: the same credential runs it again.
 */
export async function deliver(
  visit: PaidVisit,
  application: () => Response | Promise<Response>,
): Promise<Response | Reply> {
  const { lease } = visit
  const { maxAnswerBytes, deadlines } = lease.kernel
  const { answer } = lease.record
  const stop = keepLease(lease)
  try {
    // Made before its money was taken, and the server died between the two.
    const response = answer ? toResponse(replay(answer)) : await application()
    const good = response.status < 400
    const read = good ? await readAnswer(respond(visit, response), maxAnswerBytes) : response
    if ('pull' in read)
      return passOn(read, deadlines.lease / 2, (broken) => endStream(visit, stop, broken))
    await stop()
    await close(visit, isResponse(read) ? owed(lease.record) : delivered(lease.record, keep(read)))
    const isClosed = isResponse(read) || lease.record.state === 'delivered'
    return isClosed ? read : ((await refusalOfRefunded(visit)) ?? read)
  } catch (cause) {
    await stop()
    await close(visit, owed(lease.record), cause)
    throw cause
  }
}

/** Who lost the payment meanwhile, to another server or to a refund: for money that went back nobody is served. */
async function refusalOfRefunded({ bound, lease, inbound }: PaidVisit): Promise<Reply | undefined> {
  const { key, kernel } = lease
  // A store that is down must not cost the visitor the answer.
  const standing = (await kernel.store.get(key).catch(() => undefined)) as PaymentRecord | undefined
  if (standing?.state !== 'refunded') return undefined
  const { reply } = await replyWith([bound.offer], refuseHeld(), { inbound, body: undefined })
  return reply
}

/**
 * Runs the application first, and takes the money that is set aside only for a good answer. A stream is good when it
 * begins.
 */
export async function deliverAuthorized(
  held: AuthorizedVisit,
  application: () => Response | Promise<Response>,
): Promise<Response | Reply> {
  const { answer } = held.lease.record
  const made = answer ? replay(answer) : await prepare(held, application)
  if (isResponse(made)) {
    await held.cancel()
    return made
  }
  const isFlow = 'pull' in made
  const verdict = await held.capture(isFlow ? undefined : keep(made))
  if (verdict.status === 'paid')
    return deliver(verdict, () => (isFlow ? flowing(made) : toResponse(made)))
  // Its source is the application's: whether and when it ends is not for the visitor to wait for.
  if (isFlow) void made.cancel(new Error('The payment could not be taken.')).catch(() => undefined)
  return verdict.reply
}

/** Makes the answer; where that fails, the money is let go. */
async function prepare(
  { lease, cancel }: AuthorizedVisit,
  application: () => Response | Promise<Response>,
): Promise<Reply | Flow | Response> {
  const stop = keepLease(lease)
  try {
    return await readGood(application, lease.kernel.maxAnswerBytes).finally(stop)
  } catch (cause) {
    await cancel(cause)
    throw cause
  }
}

/** An answer to take the money for, or a response of 400 or above. */
async function readGood(
  application: () => Response | Promise<Response>,
  limit: number,
): Promise<Reply | Flow | Response> {
  const response = forward(await application())
  // `Response.error()`, or an upgrade: nobody could be given it with a receipt, nor a second time.
  if (response.status < 200)
    throw new TypeError(`An answer of status ${response.status} cannot be paid for.`)
  return response.status < 400 ? readAnswer(response, limit) : response
}

/** What broke off is owed whole. */
async function endStream(
  visit: PaidVisit,
  stop: () => Promise<void> | undefined,
  broken: { cause: unknown } | undefined,
): Promise<void> {
  const { lease } = visit
  await stop()
  await close(visit, broken ? owed(lease.record) : delivered(lease.record), broken?.cause)
  if (broken) lease.kernel.events.emit('error', () => broken)
}

/** Ends the visit's hold on the payment. What cannot be recorded now must not cost the visitor the answer. */
function close(visit: PaidVisit, next: PaymentRecord, cause?: unknown): Promise<unknown> {
  const { bound, lease, inbound, receipt } = visit
  const { events, ledger } = lease.kernel
  const isDelivered = next.state === 'delivered'
  if (!isDelivered) events.emit('owed', () => ({ ...describe(bound, inbound), receipt, cause }))
  const closing = advance(lease, next)
  // After the store: what the ledger calls delivered is.
  const entered =
    isDelivered && ledger
      ? closing.then((held) =>
          held ? tryEnter({ bound, key: lease.key }, 'delivered') : undefined,
        )
      : closing
  return entered.catch((cause: unknown) => events.emit('error', () => ({ cause })))
}
