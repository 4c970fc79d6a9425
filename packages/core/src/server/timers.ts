/**
 * Timers that many requests share, where the platform lets them.
 *
 * @module
 */

/**
 * Whether a timer may serve requests that did not make it. On Workers it belongs to the request that made it, and ends with
 * that; nor may one request wake another.
 */
export const isShared =
  (globalThis as { navigator?: { userAgent?: string } }).navigator?.userAgent !==
  'Cloudflare-Workers'
