/**
 * What may be told of what an enabler threw: a PSP's own client likes to throw what it sent, the payer's name and all.
 *
 * @module
 */

/** Errors whose messages this package writes. */
const OURS: ReadonlySet<unknown> = new Set(['EnablerError', 'NetworkError'])
/** Where in the code. */
const FRAME = /^ {4}at .{1,400}:\d+\)?$/
/** No card number, nor most of one. */
const WORD = /^(?!.*\d{7})[\w-]{1,40}$/

/**
 * Tells of a thrown value its kind, its code, its status and where it came from, and nothing that anybody wrote.
 *
 * @param depth - How many causes of causes are told.
 */
export function tellable(thrown: unknown, depth = 3): Error {
  try {
    return tell(thrown, depth)
  } catch {
    // Its own getters throw.
    return new Error('The Server Enabler threw what cannot be read.')
  }
}

function tell(thrown: unknown, depth: number): Error {
  if (!(thrown instanceof Error)) return new Error('The Server Enabler threw what is no error.')
  const { name, message, stack = '', cause } = thrown
  const kind = WORD.test(name) ? name : 'Error'
  const text = OURS.has(name) ? message : `The Server Enabler threw: ${kind}.`
  const isDeeper = cause !== undefined && depth > 0
  const told = new Error(text, isDeeper ? { cause: tellable(cause, depth - 1) } : undefined)
  told.stack = [`${kind}: ${text}`, ...framesOf(stack, message)].join('\n')
  return Object.assign(told, { name: kind }, numbersOf(thrown))
}

/** What stands behind the message, whose lines may look the same. */
function framesOf(stack: string, message: string): string[] {
  const at = stack.indexOf(message)
  if (at < 0) return []
  const lines = stack.slice(at + message.length).split('\n')
  return lines.filter((line) => FRAME.test(line))
}

const isTellable = (value: unknown): boolean =>
  typeof value === 'number'
    ? Math.abs(value) < 1_000_000
    : typeof value === 'string' && WORD.test(value)

function numbersOf(thrown: object): Record<string, unknown> {
  const { code, status, retryAfter } = thrown as Record<string, unknown>
  const entries = Object.entries({ code, status, retryAfter }).filter(([, value]) =>
    isTellable(value),
  )
  return Object.fromEntries(entries)
}
