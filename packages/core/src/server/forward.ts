/**
 * What fetch() returned, made fit to be sent on.
 *
 * @module
 */

/** Of the connection that it came by. */
const HOP_BY_HOP = ['connection', 'keep-alive', 'transfer-encoding']

/** What every fetch decodes; of a list with another among them it decodes none. */
const DECODED = /^\s*(?:(?:x-)?gzip|deflate|br)(?:\s*,\s*(?:(?:x-)?gzip|deflate|br))*\s*$/i

/**
 * Takes from a fetched response the headers that tell of its body as it travelled here: fetch has decoded it,
 * and left them. Any other response comes back as it is.
 *
 * @example
 * forward(await fetch(upstream)) // without `content-encoding: gzip`, and the length that went with it
 * @see RFC 9110, Content-Encoding and Connection; the Fetch standard, "handle content codings"
 */
export function forward(response: Response): Response {
  // Only what a fetch returned has a URL.
  if (!response.url) return response
  const { body, status, statusText } = response
  const headers = new Headers(response.headers)
  for (const name of HOP_BY_HOP) headers.delete(name)
  if (DECODED.test(headers.get('content-encoding') ?? '')) {
    headers.delete('content-encoding')
    headers.delete('content-length')
  }
  return new Response(body, { status, statusText, headers })
}
