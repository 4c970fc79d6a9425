/**
 * Money that was authorised: captured for an answer, or let go. Asked again, each says what became of it.
 *
 * @module
 */
import type { Outcome } from '@polyrail/core'
import { judgeEnabler, toExpected, type Note, type Presented } from './attempt.js'
import { judgeError, judgeResult } from './outcome.js'
import type { ServerEnabler } from './server-enabler.js'

type Held = Presented & { attempt: unknown }

/** Takes the money. */
export const capture = (enabler: ServerEnabler, held: Held) => change(enabler, held, 'capture')

/** Lets the money go. The credential is of no use any more. */
export const cancel = (enabler: ServerEnabler, held: Held) => change(enabler, held, 'cancel')

/** Whatever is said against it, the charge itself tells how it stands. */
async function change(
  enabler: ServerEnabler,
  { challenge, attempt, signal }: Held,
  what: 'capture' | 'cancel',
): Promise<Outcome.Outcome> {
  const note = attempt as Note
  const elsewhere = judgeEnabler(note, enabler)
  if (elsewhere) return elsewhere
  const asked = { signal }
  // A throw before there is a promise is a throw all the same.
  const ask = async () => enabler[what]?.(challenge.id, asked)
  const judge = (stands: unknown) => judgeResult(stands, toExpected(challenge, note))
  const findOut = async (refusal: unknown) => {
    const found = judge(await enabler.lookup(challenge.id, asked))
    return found.status === 'authorized' ? unknown(refusal) : found
  }
  try {
    return await ask().then(judge, findOut)
  } catch (cause) {
    return unknown(cause)
  }
}

const unknown = (cause: unknown) => judgeError(cause, { isFirst: false })
