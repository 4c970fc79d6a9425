/**
 * What a PSP needs on either side of a card charge: keys, encryption, decryption, and the checks that go with them.
 *
 * @module
 */
export { CardError, CODES, isCardError } from './CardError.js'
export type { Code } from './CardError.js'
export { decrypt } from './jwe/decrypt.js'
export { encrypt } from './jwe/encrypt.js'
export { readOutside } from './jwe/header.js'
export type { Header, Outside } from './jwe/header.js'
export { checkTimely, readPlaintext } from './jwe/plaintext.js'
export type { Plaintext } from './jwe/plaintext.js'
export { checkKey } from './key/check.js'
export type { PrivateKey, PublicKey } from './key/check.js'
export { createKeyPair } from './key/pair.js'
export { readReference } from './key/reference.js'
export type { Details, Reference } from './key/reference.js'
export { createResolver } from './key/resolve.js'
export type { Resolver } from './key/resolve.js'
export type { ClientEnabler, TokenChallenge, TokenRequest } from './charge/client-enabler.js'
export { EnablerError } from './charge/server-enabler.js'
export type {
  Order,
  RefundOrder,
  RefundResult,
  Result,
  ServerEnabler,
} from './charge/server-enabler.js'
