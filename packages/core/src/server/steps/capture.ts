/**
 * Step 1: takes the request in, and turns away what must not go on.
 *
 * @module
 */
import * as Credential from '../../Credential.js'
import * as Errors from '../../Errors.js'
import type { Kernel } from '../config.js'
import type { Inbound } from '../transport.js'

/** A step's "no": the problem to show, and what only events may know. */
export type Refusal = {
  refused: Errors.Problem
  retryAfter?: number | undefined
  cause?: unknown
  /** True when an earlier, recorded visit with this very credential outweighs it. */
  recoverable?: boolean
}

export function refuse(
  code: Errors.Code,
  details: Errors.problem.Details = {},
  more: Omit<Refusal, 'refused'> = {},
): Refusal {
  return { refused: Errors.problem(code, details), ...more }
}

export const isRefusal = (value: unknown): value is Refusal =>
  typeof value === 'object' && value !== null && 'refused' in value

/**
 * Checks transport security and finds the credential.
 *
 * @returns The credential, `undefined` when there is none, or a refusal.
 * @see core draft, Transport Security and Multiple Payment Options
 */
export function capture({ insecure }: Kernel, inbound: Inbound): string | undefined | Refusal {
  if (!insecure && !isSecure(inbound))
    return refuse('insecure-transport', {
      detail:
        'Payments travel over https only. If TLS ends at a proxy, let it send X-Forwarded-Proto, or set `insecure: true`.',
    })
  const authorization = inbound.header('authorization')
  if (authorization === null) return undefined
  const tokens = Credential.extract(authorization)
  return tokens.length > 1 ? refuse('multiple-credentials') : tokens[0]
}

/**
 * Asks the operator's rate limit.
 *
 * @see core draft, Denial of Service
 */
export async function limit(
  ask: NonNullable<Kernel['limit']>,
  kind: 'challenge' | 'credential',
  { method, url, header }: Inbound,
): Promise<Refusal | undefined> {
  try {
    const wait = await ask({ kind, method, url, header })
    return wait === undefined ? undefined : refuse('rate-limited', {}, { retryAfter: wait })
  } catch (cause) {
    return refuse('store-unavailable', { detail: 'Payments cannot be taken now.' }, { retryAfter: 5, cause })
  }
}

function isSecure(inbound: Inbound): boolean {
  const { url } = inbound
  if (!url.startsWith('http://')) return true
  if (isLoopback(url)) return true
  const forwarded = inbound.header('x-forwarded-proto') ?? inbound.header('forwarded')
  return forwarded !== null && /^https$|(?:^|[;,\s])proto="?https/i.test(forwarded.split(',', 1)[0]?.trim() ?? '')
}

const LOOPBACK = /^http:\/\/(?:[^/?#@]*@)?(?:localhost|[^/?#:]*\.localhost|127(?:\.\d{1,3}){3}|\[::1\])(?=[:/?#]|$)/i

const isLoopback = (url: string): boolean => LOOPBACK.test(url)
