/**
 * What every subject sells and at what price, so that all of them do equal work.
 *
 * @module
 */
export const url = 'https://api.example.com/report'
export const realm = 'api.example.com'
export const secretKey = 'a-secret-of-the-benchmark-that-is-long-enough'
export const price = { amount: '10', currency: 'points' }
export const data = { report: 'numbers' }

/** The five rails that `compose` offers; the first is the one of single-rail cases. */
export const rails = ['points', 'tokens', 'credits', 'miles', 'stamps']

/** Five minutes from now, as a challenge writes it. */
export const expires = () => `${new Date(Date.now() + 300_000).toISOString().slice(0, 19)}Z`

/**
 * A case of a subject, ready to be measured. What `make` and `prepare` do is never timed; what `run` does always is.
 * A case that can only be run as a batch, by another process, has `runAll`.
 *
 * @typedef {{
 *   make: (count: number) => unknown[] | Promise<unknown[]>,
 *   run: (input: any) => unknown,
 *   check: (result: any) => unknown,
 *   sync?: boolean,
 *   prepare?: (count: number) => Promise<void>,
 *   runAll?: (count: number) => Promise<void>,
 * }} Case
 */

/**
 * A text as it comes from the network: one flat string, unlike one built by concatenation.
 *
 * @param {string} text
 */
export const flat = (text) => Buffer.from(text, 'latin1').toString('latin1')

/**
 * Fails loudly when a subject does not do what its case says.
 *
 * @param {unknown} condition
 * @param {string} what what was expected of the subject
 */
export function expect(condition, what) {
  if (!condition) throw new Error(`The subject is wrong: expected ${what}.`)
}

/**
 * A case of a guarded route that is visited without paying.
 *
 * @param {(request: Request) => unknown} handle
 * @param {(response: Response) => number} count how many offers a 402 carries
 * @param {number} offers how many it should carry
 * @returns {Case}
 */
export const unpaid = (handle, count, offers) => ({
  make: (visits) => Array.from({ length: visits }, () => undefined),
  run: () => handle(new Request(url)),
  check(response) {
    expect(response.status === 402, `status 402, not ${response.status}`)
    expect(count(response) === offers, `${offers} offers, not ${count(response)}`)
  },
})

/**
 * A case of a guarded route that is paid for, each visit with a proof of its own, made before the clock runs.
 *
 * @param {(request: Request) => unknown} handle
 * @param {(index: number, response: Response) => Record<string, string> | Promise<Record<string, string>>} pay
 *   headers that answer a 402
 * @param {string} receipt header that a paid response carries
 * @returns {Case}
 */
export const paid = (handle, pay, receipt) => ({
  async make(visits) {
    const made = []
    for (let index = 0; index < visits; index++) {
      const response = /** @type {Response} */ (await handle(new Request(url)))
      made.push({ headers: await pay(index, response) })
    }
    return made
  },
  run: (init) => handle(new Request(url, init)),
  async check(response) {
    expect(response.status === 200, `status 200, not ${response.status}`)
    expect(response.headers.get(receipt), `a ${receipt} header`)
    expect((await response.json()).report === data.report, 'the data')
  },
})

/**
 * A case of one function from value to value, fed with values that differ.
 *
 * @param {(index: number) => any} make
 * @param {(value: any) => any} run
 * @param {(result: any) => unknown} good whether a result is right
 * @returns {Case}
 */
export const codec = (make, run, good) => ({
  sync: true,
  make(count) {
    const few = Array.from({ length: Math.min(count, 64) }, (_, index) => {
      const value = make(index)
      return typeof value === 'string' ? flat(value) : value
    })
    return Array.from({ length: count }, (_, index) => few[index % few.length])
  },
  run,
  check: (result) => expect(good(result), `another result than ${JSON.stringify(result)}`),
})

/** The parts of a receipt. @param {number} index */
export const settled = (index) => ({
  method: 'points',
  reference: `reference-${index}`,
  status: /** @type {const} */ ('success'),
  timestamp: new Date().toISOString(),
})

/**
 * A server without code behind it, as a client meets it in this process: it asks for payment, and is content with any.
 * It makes no Request of what it is given, so that all of that is the client's own.
 *
 * @param {() => HeadersInit} ask headers of a 402
 * @param {HeadersInit} receipt headers of a paid response
 * @param {string} proof header that a client pays with
 * @returns {(input: RequestInfo | URL, init?: RequestInit) => Promise<Response>}
 */
export const cannedFetch = (ask, receipt, proof) => async (input, init) =>
  carries(init?.headers ?? (input instanceof Request ? input.headers : undefined), proof)
    ? new Response(JSON.stringify(data), { headers: receipt })
    : new Response('{"title":"Payment Required","status":402}', { status: 402, headers: ask() })

/** @param {HeadersInit | undefined} headers @param {string} name in lower case */
function carries(headers, name) {
  if (headers === undefined) return false
  if (headers instanceof Headers) return headers.has(name)
  const names = Array.isArray(headers) ? headers.map(([key]) => key) : Object.keys(headers)
  return names.some((key) => key?.toLowerCase() === name)
}

/** Headers of a 402 as this protocol has it, each asking anew. @param {readonly string[]} methods */
export function challenges(methods) {
  const encode = (/** @type {unknown} */ value) =>
    Buffer.from(JSON.stringify(value)).toString('base64url')
  const request = encode(price)
  let visits = 0
  let lapses = expires()
  return () => {
    if (visits++ % 1000 === 0) lapses = expires()
    const offers = methods.map((method) => {
      const id = `${'A'.repeat(36)}${visits}`
      return `Payment id="${id}", realm="${realm}", method="${method}", intent="charge", request="${request}", expires="${lapses}", opaque="${encode({ nonce: `n${visits}` })}"`
    })
    return {
      'www-authenticate': flat(offers.join(', ')),
      'content-type': 'application/problem+json',
      'cache-control': 'no-store',
    }
  }
}

/** Headers of a paid response as this protocol has it. */
export const receipted = () => ({
  'content-type': 'application/json',
  'payment-receipt': Buffer.from(JSON.stringify(settled(0))).toString('base64url'),
})

/**
 * A case of a client that pays on its way.
 *
 * @param {(url: string) => Promise<Response>} fetch
 * @param {string} receipt header that a paid response carries
 * @returns {Case}
 */
export const paying = (fetch, receipt) => ({
  make: (visits) => Array.from({ length: visits }, () => url),
  run: fetch,
  check(response) {
    expect(response.status === 200, `status 200, not ${response.status}`)
    expect(response.headers.get(receipt), `a ${receipt} header`)
  },
})
