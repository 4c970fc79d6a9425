/**
 * Where a payment may travel: secure or local, to the host that was asked, never past a redirect.
 *
 * @module
 */
import type { Code } from './events.js'
import type { Errand } from './present.js'

/**
 * Why no money may go where a 402 came from, if so.
 *
 * @see core draft, Transport Security
 */
export function distrust(
  response: Response,
  [asked, at]: readonly [URL, URL],
  method: string,
): Code | false {
  // The platform may have turned a POST into a GET on the way.
  if (at.origin !== asked.origin || (response.redirected && !isGetting(method))) return 'redirected'
  const isSecure = at.protocol === 'https:' || (at.protocol === 'http:' && isLoopback(at.hostname))
  return !isSecure && 'insecure-transport'
}

const isGetting = (method: string): boolean => /^(GET|HEAD)$/.test(method)

const isLoopback = (host: string): boolean =>
  /^(127\.\d+\.\d+\.\d+|\[::1\]|(.+\.)?localhost)$/.test(host)

/**
 * Whether a realm that reads like a host name speaks for another host than this URL's. Realms that
 * do not read like one (`Weather API`) are only labels.
 *
 * @see core draft, Required Parameters (`realm`)
 */
export function isForeign(realm: string, { hostname }: URL): boolean {
  if (realm === hostname) return false
  let host: string
  try {
    host = new URL(/^https?:/i.test(realm) ? realm : `http://${realm}`).hostname
  } catch {
    return false
  }
  if (!/[.:]|^localhost$/.test(host) || (isLoopback(host) && isLoopback(hostname))) return false
  return !`.${hostname}`.endsWith(`.${host}`)
}

/**
 * Follows the redirect of a paid answer, as a GET without the credential; what else the caller sent
 * stays with the origin that it was for. Not from https to http, nor where a body would have to go along.
 */
export function follow(errand: Errand, answer: Response): Response | Promise<Response> {
  const { call, url } = errand
  const { redirect, method } = call
  const to = answer.status > 300 && redirect !== 'manual' && answer.headers.get('location')
  if (!to) return answer
  if (redirect === 'error') throw new TypeError('Redirected')
  const { protocol, origin, href } = new URL(to, url)
  const isGet = isGetting(method)
  const becomesGet = answer.status === 303 || (answer.status < 303 && method === 'POST')
  if (!(isGet || becomesGet) || !['https:', url.protocol].includes(protocol)) return answer
  discard(answer)
  const headers = origin === url.origin ? call.headers : {}
  return call.send({ method: isGet ? method : 'GET', headers, body: null }, href)
}

/** Lets go of a body that nobody will read, so that its connection is free again. */
export function discard(response: Response | undefined): void {
  response?.body?.cancel().catch(() => {})
}
