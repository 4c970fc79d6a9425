/**
 * Idempotency keys: the first answer is kept for a day and given again, and a key does for one request only.
 *
 * @module
 */
import type { Reply } from '../loopback.js'
import { invalid, Refusal } from './refusal.js'

/** One use of a key. */
export type KeyUse = {
  key: string
  /** The account whose key it is. */
  scope: string
  path: string
  /** What was asked, word for word. */
  parameters: string
  requestId: string
}

/** An answer, and whether the endpoint had begun its work, so that it is kept. */
export type Carried = { reply: Reply; isExecuted: boolean }

/** The keys of one Stripe. */
export type Keys = {
  /** Carries out a request, or gives the answer that its key has got before. */
  once: (use: KeyUse, carryOut: () => Promise<Carried>) => Promise<Reply>
  /** Keeps an answer under a key, in place of what was kept. */
  keep: (use: KeyUse, reply: Reply) => void
}

type Kept = KeyUse & { at: number; reply: Reply | undefined }

const day = 24 * 60 * 60
const longest = 255

/** @param now - Seconds since 1970. */
export function openKeys(now: () => number): Keys {
  const kept = new Map<string, Kept>()
  const nameOf = ({ scope, key }: KeyUse) => `${scope} ${key}`
  return {
    async once(use, carryOut) {
      if (use.key.length > longest) {
        throw invalid(`An idempotency key can have at most ${longest} characters.`)
      }
      const name = nameOf(use)
      const before = kept.get(name)
      if (before !== undefined && now() - before.at < day) return replay(before, use)
      const entry: Kept = { ...use, at: now(), reply: undefined }
      kept.set(name, entry)
      try {
        const { reply, isExecuted } = await carryOut()
        if (isExecuted) entry.reply = reply
        return withKey(reply, use, use.requestId)
      } finally {
        if (entry.reply === undefined && kept.get(name) === entry) kept.delete(name)
      }
    },
    keep: (use, reply) => void kept.set(nameOf(use), { ...use, at: now(), reply }),
  }
}

function replay(before: Kept, use: KeyUse): Reply {
  const { key } = use
  if (before.path !== use.path) {
    throw conflict(
      `Keys for idempotent requests can only be used for the same endpoint they were first used for ('${before.path}' vs '${use.path}'). Use another key than '${key}' for another request.`,
    )
  }
  if (before.parameters !== use.parameters) {
    throw conflict(
      `Keys for idempotent requests can only be used with the same parameters they were first used with. Use another key than '${key}' for another request.`,
    )
  }
  if (before.reply) {
    const reply = withKey(before.reply, use, before.requestId)
    return { ...reply, headers: { ...reply.headers, 'idempotent-replayed': 'true' } }
  }
  const error = {
    type: 'invalid_request_error',
    code: 'idempotency_key_in_use',
    message: `Another request with this idempotency key is in progress: ${key}. Try again later.`,
  } as const
  throw new Refusal(409, error, { headers: { 'stripe-should-retry': 'true' } })
}

function conflict(message: string): Refusal {
  return new Refusal(400, { type: 'idempotency_error', message })
}

function withKey(reply: Reply, { key }: KeyUse, original: string): Reply {
  return {
    ...reply,
    headers: { ...reply.headers, 'idempotency-key': key, 'original-request': original },
  }
}
