/**
 * An HTTP response, read once into what the cases ask about.
 *
 * @module
 */
import { Challenge, Errors, Receipt } from '@polyrail/core'

export type Answer = {
  status: number
  headers: Headers
  text: string
  /** The auth-params of each well-formed Payment challenge, as they travelled. */
  wires: readonly Challenge.Wire[]
  /** The challenges among them whose request decodes. */
  challenges: readonly Challenge.Challenge[]
  /** The body, when it is problem JSON. */
  problem: Readonly<Record<string, unknown>> | undefined
  /** The decoded Payment-Receipt. */
  receipt: Receipt.Receipt | undefined
}

/**
 * Reads a response to its end.
 *
 * @example
 * const answer = await read(await fetch(url))
 */
export async function read(response: Response): Promise<Answer> {
  const text = await response.text()
  const header = response.headers.get('www-authenticate')
  const wires = header === null ? [] : Challenge.scan(header)
  const receipt = response.headers.get('payment-receipt')
  return {
    status: response.status,
    headers: response.headers,
    text,
    wires,
    challenges: wires.flatMap((wire) => Challenge.decode(wire) ?? []),
    problem: problemOf(response.headers.get('content-type'), text),
    receipt: receipt === null ? undefined : Receipt.deserialize(receipt),
  }
}

/**
 * Names an answer in a failure message: its status, and its problem or the start of its body.
 *
 * @example
 * describe(answer) // '402 invalid-challenge'
 */
export function describe(answer: Answer): string {
  const kind = codeOf(answer) ?? JSON.stringify(answer.text.slice(0, 60))
  return `${answer.status} ${kind}`
}

/**
 * Reads the problem's code out of its type, whatever base the server uses; for a type of a method's own draft, out of `code`.
 *
 * @example
 * codeOf(answer) // 'verification-failed'
 * @see core draft, Error Codes
 */
export function codeOf(answer: Answer): string | undefined {
  const { type, code } = answer.problem ?? {}
  if (typeof type !== 'string') return undefined
  const name = type.slice(type.lastIndexOf('/') + 1)
  return !(name in Errors.CODES) && typeof code === 'string' ? code : name
}

function problemOf(type: string | null, text: string): Record<string, unknown> | undefined {
  if (!type?.toLowerCase().startsWith('application/problem+json')) return undefined
  try {
    const body: unknown = JSON.parse(text)
    return typeof body === 'object' && body !== null && !Array.isArray(body)
      ? { ...body }
      : undefined
  } catch {
    return undefined
  }
}
