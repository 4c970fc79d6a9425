/// <reference types="node" />
/**
 * SHA-256 by `node:crypto`, at a tenth of the cost of WebCrypto.
 *
 * @module
 */
import { createHash } from 'node:crypto'

/** The digest, as lower-case hexadecimal. */
export const sha256 = (bytes: Uint8Array<ArrayBuffer>): string | Promise<string> =>
  createHash('sha256').update(bytes).digest('hex')
