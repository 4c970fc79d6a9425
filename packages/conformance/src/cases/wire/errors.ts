/**
 * Wire cases: errors as problem JSON, and what they must not say.
 *
 * @module
 */
import { Credential } from '@polyrail/core'
import { codeOf } from '../../answer.js'
import { must, type Case } from '../../case.js'
import type { Wire } from '../../wire.js'

export const errors: readonly Case<Wire>[] = [
  {
    id: 'errors/problem-json',
    requirements: ['core-042', 'core-043'],
    title: "a 402 explains itself as problem JSON of the draft's types",
    async run(target) {
      const answer = await target.send()
      must(answer.problem, 'the 402 has no application/problem+json body', answer)
      const { type, status } = answer.problem
      must(
        type === 'https://paymentauth.org/problems/payment-required',
        `the problem type is ${JSON.stringify(type)}, not the draft's payment-required`,
      )
      must(
        status === undefined || status === answer.status,
        `the problem says status ${String(status)}, the response another`,
        answer,
      )
    },
  },
  {
    id: 'errors/no-receipt-on-402',
    requirements: ['core-034'],
    threats: [11],
    title: 'a 402 carries no receipt',
    async run(target) {
      const answer = await target.send()
      must(!answer.headers.has('payment-receipt'), 'an unpaid answer carries a receipt', answer)
    },
  },
  {
    id: 'errors/no-echo',
    requirements: ['core-059', 'core-060'],
    threats: [16],
    title: 'nothing of a refused credential is repeated in the answer',
    async run(target) {
      const { wires } = await target.send()
      const [challenge] = wires
      must(challenge, 'there is no challenge to answer')
      const secret = 'a3f1c0ffee5ec2e7d00d'
      const payload = { token: secret, signature: secret, preimage: secret }
      const authorization = Credential.serialize({ challenge, payload, source: secret })
      const answer = await target.send({ headers: { authorization } })
      const shown = answer.text + JSON.stringify([...answer.headers])
      must(!shown.includes(secret), 'the answer repeats a part of the proof', answer)
      must(!shown.includes(authorization.slice(-40)), 'the answer repeats the credential', answer)
    },
  },
  {
    id: 'errors/method-unsupported',
    requirements: ['core-001'],
    threats: [1],
    title:
      'a credential for a method that is not offered is refused with a problem, and never a page',
    async run(target) {
      const [challenge] = (await target.send()).wires
      must(challenge, 'there is no challenge to answer')
      const foreign = { ...challenge, method: 'nosuchmethod' }
      const authorization = Credential.serialize({ challenge: foreign, payload: {} })
      const answer = await target.send({ headers: { authorization } })
      must(
        answer.status === 400 || answer.status === 402,
        'a credential for a foreign method is neither a 400 nor a 402',
        answer,
      )
      must(
        answer.status === 402 || codeOf(answer) === 'method-unsupported',
        'the 400 does not say method-unsupported',
        answer,
      )
    },
  },
]
