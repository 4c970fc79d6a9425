/**
 * Where a wallet's service is: an address that is safe to send its key to.
 *
 * @module
 */

type Endpoint = {
  /** The factory that is told the address, for its errors. */
  of: string
  url: string
  /** The encrypted scheme, and the plain one that only private networks may use. */
  schemes: readonly [secure: string, plain: string]
}

/**
 * Checks an address.
 *
 * @returns The address, without a slash at its end.
 * @throws TypeError when it is none, or would show the key to others. The address itself is not quoted: it may hold a secret.
 */
export function checkEndpoint({ of, url, schemes: [secure, plain] }: Endpoint): string {
  const parsed = URL.canParse(url) ? new URL(url) : undefined
  if (!parsed || ![`${secure}:`, `${plain}:`].includes(parsed.protocol))
    throw new TypeError(`${of}: url must be an address that begins with ${secure}://.`)
  if (parsed.username || parsed.password || parsed.search || parsed.hash)
    throw new TypeError(
      `${of}: url must be an address alone, without user, password, query or fragment.`,
    )
  if (parsed.protocol === `${plain}:` && !isPrivate(parsed.hostname))
    throw new TypeError(
      `${of}: ${plain}:// would show the key to everyone on the way to ${parsed.hostname}. ` +
        `Use ${secure}://, or an address of a private network.`,
    )
  return parsed.href.replace(/\/+$/, '')
}

const PRIVATE_NAMES = /(?:^|\.)localhost$|\.(?:local|internal|lan|home\.arpa|onion)$/
const PRIVATE_V4 =
  /^(?:10|127)\.|^192\.168\.|^169\.254\.|^172\.(?:1[6-9]|2\d|3[01])\.|^100\.(?:6[4-9]|[7-9]\d|1[01]\d|12[0-7])\./
const PRIVATE_V6 = /^\[(?:::1\]|f[cd][0-9a-f]{2}:|fe[89ab][0-9a-f]:)/

/** Whether a host is this machine, of a private network, or on Tor, which encrypts by itself. */
function isPrivate(host: string): boolean {
  if (/^[\d.]+$/.test(host)) return PRIVATE_V4.test(host)
  if (host.startsWith('[')) return PRIVATE_V6.test(host)
  return PRIVATE_NAMES.test(host) || !host.includes('.')
}
