/**
 * Step 1: takes the request in, and turns away what must not go on.
 *
 * @module
 */
import * as Credential from '../../Credential.js'
import * as Errors from '../../Errors.js'
import type { Server } from '../../Method.js'
import type { Kernel } from '../config.js'
import { race } from '../deadline.js'
import type { Offer } from '../route.js'
import { TOO_LARGE, type Inbound } from '../transport.js'

/** A step's "no": the problem to show, and what only events may know. */
export type Refusal = {
  refused: Errors.Problem
  retryAfter?: number | undefined
  cause?: unknown
  /** True when an earlier, recorded visit with this very credential outweighs it. */
  recoverable?: boolean
  /** The method that the credential names. */
  method?: Server
  /** True when the challenge was good once. */
  isExpired?: boolean
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

/** What is known of a request before anything is judged. */
export type Received = { token: string | undefined; body: Uint8Array | undefined }

/**
 * Checks transport security, finds the credential, asks the rate limit and reads the body that the
 * payment is bound to.
 *
 * @see core draft, Transport Security, Multiple Payment Options and Denial of Service
 */
export function receive(
  offers: readonly Offer[],
  inbound: Inbound,
): Received | Refusal | Promise<Received | Refusal> {
  const { kernel } = offers[0] as Offer
  if (!kernel.insecure && !isSecure(inbound))
    return refuse('insecure-transport', {
      detail:
        'Payments travel over https only. If TLS ends at a proxy, let it send X-Forwarded-Proto, or set `insecure: true`.',
    })
  const authorization = inbound.header('authorization')
  const tokens = authorization === null ? [] : Credential.extract(authorization)
  if (tokens.length > 1) return refuse('multiple-credentials')
  const [token] = tokens
  const readsBody = inbound.hasBody && offers.some(({ options }) => options.bind?.body !== false)
  return kernel.limit || readsBody
    ? receiveRest(kernel, inbound, { token, readsBody })
    : { token, body: undefined }
}

async function receiveRest(
  kernel: Kernel,
  inbound: Inbound,
  { token, readsBody }: { token: string | undefined; readsBody: boolean },
): Promise<Received | Refusal> {
  const limited =
    kernel.limit &&
    (await askLimit(kernel, token === undefined ? 'challenge' : 'credential', inbound))
  if (limited) return limited
  const body = readsBody ? await inbound.body(kernel.maxBodyBytes).catch(brokenOff) : undefined
  if (body === TOO_LARGE) return refuse('body-too-large')
  return isRefusal(body) ? body : { token, body }
}

const brokenOff = (cause: unknown): Refusal =>
  refuse('bad-request', { detail: 'The request body broke off.' }, { cause })

async function askLimit(
  { limit, deadlines }: Kernel,
  kind: 'challenge' | 'credential',
  inbound: Inbound,
): Promise<Refusal | undefined> {
  const { method, url } = inbound
  try {
    const visit = { kind, method, url, header: (name: string) => inbound.header(name) }
    const wait = await race(deadlines.settle, () => limit?.(visit))
    return wait === undefined ? undefined : refuse('rate-limited', {}, { retryAfter: wait })
  } catch (cause) {
    return refuse(
      'store-unavailable',
      { detail: 'Payments cannot be taken now.' },
      { retryAfter: 5, cause },
    )
  }
}

function isSecure(inbound: Inbound): boolean {
  const { url } = inbound
  if (!url.startsWith('http://')) return true
  if (isLoopback(url)) return true
  const forwarded = inbound.header('x-forwarded-proto') ?? inbound.header('forwarded')
  return (
    forwarded !== null &&
    /^https$|(?:^|[;,\s])proto="?https/i.test(forwarded.split(',', 1)[0]?.trim() ?? '')
  )
}

const LOOPBACK =
  /^http:\/\/(?:[^/?#@]*@)?(?:localhost|[^/?#:]*\.localhost|127(?:\.\d{1,3}){3}|\[::1\])(?=[:/?#]|$)/i

const isLoopback = (url: string): boolean => LOOPBACK.test(url)
