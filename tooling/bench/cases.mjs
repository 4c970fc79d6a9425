/**
 * What is measured: every case, and the subjects that can do it.
 *
 * @module
 */
const everyone = ['bare', 'polyrail', 'mppx', 'x402']
const protocol = ['polyrail', 'mppx']
const sdks = ['polyrail', 'mppx', 'x402']

/** @type {readonly { path: string, title: string, subjects: readonly string[] }[]} */
export const timed = [
  { path: 'server/402', title: 'issue a 402', subjects: everyone },
  { path: 'server/402-wrapped', title: '… wrapped form', subjects: ['bare', 'polyrail'] },
  {
    path: 'server/402-inline',
    title: '… route made in the handler',
    subjects: ['bare', ...protocol],
  },
  { path: 'server/402-of-2', title: '… with 2 offers', subjects: everyone },
  { path: 'server/402-of-5', title: '… with 5 offers', subjects: everyone },
  { path: 'server/paid', title: 'paid request', subjects: everyone },
  {
    path: 'server/paid-wrapped',
    title: '… wrapped form, answer kept',
    subjects: ['bare', 'polyrail'],
  },
  {
    path: 'server/paid-split',
    title: '… validate, settle, replayKey',
    subjects: ['bare', 'polyrail'],
  },
  {
    path: 'server/paid-inline',
    title: '… route made in the handler',
    subjects: ['bare', ...protocol],
  },
  { path: 'server/paid-of-2', title: '… of 2 offers', subjects: everyone },
  { path: 'server/paid-of-5', title: '… of 5 offers', subjects: everyone },
  { path: 'client/loop', title: 'client: 402, pay, 200', subjects: everyone },
  { path: 'client/loop-of-5', title: '… of 5 offers', subjects: everyone },
  { path: 'http/402', title: 'node:http, issue a 402', subjects: everyone },
  { path: 'http/paid', title: 'node:http, paid request', subjects: everyone },
  {
    path: 'http/paid-wrapped',
    title: '… wrapped form, answer kept',
    subjects: ['bare', 'polyrail'],
  },
  { path: 'tempo/pull', title: 'Tempo, paid request', subjects: protocol },
  { path: 'tempo/sponsored', title: '… whose fee the server pays', subjects: protocol },
  { path: 'lightning/paid', title: 'Lightning, paid request', subjects: ['bare', 'polyrail'] },
  { path: 'codecs/parse-1', title: 'parse 1 challenge', subjects: sdks },
  { path: 'codecs/parse-5', title: 'parse 5 challenges', subjects: sdks },
  { path: 'codecs/write-challenge', title: 'write a challenge', subjects: sdks },
  { path: 'codecs/read-credential', title: 'read a credential', subjects: sdks },
  { path: 'codecs/write-credential', title: 'write a credential', subjects: sdks },
  { path: 'codecs/read-receipt', title: 'read a receipt', subjects: sdks },
  { path: 'codecs/write-receipt', title: 'write a receipt', subjects: sdks },
  { path: 'codecs/jcs', title: 'encode a request (JCS)', subjects: protocol },
  { path: 'codecs/verify-id', title: 'verify an id (HMAC)', subjects: protocol },
]

/** Which modules a user of each subject imports. */
export const imports = {
  core: { polyrail: '@polyrail/core', mppx: 'mppx', x402: '@x402/core/http' },
  server: { polyrail: '@polyrail/core/server', mppx: 'mppx/server', x402: '@x402/core/server' },
  client: { polyrail: '@polyrail/core/client', mppx: 'mppx/client', x402: '@x402/fetch' },
}

/** What a page needs to pay by a method of its own. */
export const bundles = {
  polyrail: "export * from '@polyrail/core/client'",
  mppx: "export { Credential, Method } from 'mppx'\nexport { Mppx } from 'mppx/client'",
  x402: "export { wrapFetchWithPayment, x402Client } from '@x402/fetch'",
}

/** What is installed for that, and for a server. */
export const installs = { mppx: ['mppx'], x402: ['@x402/core', '@x402/fetch'] }
