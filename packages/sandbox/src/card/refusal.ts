/**
 * A call that is not carried out: a status and a code, and nothing of what was sent.
 *
 * @module
 */
export class Refusal extends Error {
  readonly status: number
  readonly code: string

  constructor(status: number, code: string) {
    super(code)
    this.status = status
    this.code = code
  }
}
