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
 * Checks transport security and the rate limit, and finds the credential.
 *
 * @returns The credential's token, `undefined` when there is none, or a refusal.
 * @see core draft, Transport Security and Denial of Service
 */
export async function capture(kernel: Kernel, inbound: Inbound): Promise<string | undefined | Refusal> {
  if (!kernel.insecure && !isSecure(inbound))
    return refuse('insecure-transport', {
      detail:
        'Payments travel over https only. If TLS ends at a proxy, let it send X-Forwarded-Proto, or set `insecure: true`.',
    })
  const authorization = inbound.header('authorization')
  const tokens = authorization === null ? [] : Credential.extract(authorization)
  if (tokens.length > 1) return refuse('multiple-credentials')
  if (kernel.limit) {
    const kind = tokens.length === 0 ? 'challenge' : 'credential'
    const wait = await kernel.limit({ kind, method: inbound.method, url: inbound.url, header: inbound.header })
    if (wait !== undefined) return refuse('rate-limited', {}, { retryAfter: wait })
  }
  return tokens[0]
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
