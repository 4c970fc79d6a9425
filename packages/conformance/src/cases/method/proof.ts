/**
 * Method cases: the rail takes honest proofs and refuses all others.
 *
 * @module
 */
import { codeOf } from '../../answer.js'
import { present, type Bench } from '../../bench.js'
import { buy } from '../../buy.js'
import { must, type Case } from '../../case.js'

export const proof: readonly Case<Bench>[] = [
  {
    id: 'proof/honest',
    requirements: ['core-032', 'charge-009', 'charge-012'],
    title: 'an honest proof opens the page: one settlement, one delivery, one receipt',
    async run({ open, rail }) {
      const site = open()
      const { answer } = await buy(site)
      must(site.served() === 1, `the page was made ${site.served()} times`)
      const moved = await site.settled()
      must(moved === 1, `the network counts ${moved} payments for one purchase`)
      must(
        answer.receipt?.method === rail.server.name,
        'the receipt does not name the rail',
        answer,
      )
    },
  },
  {
    id: 'proof/tampered',
    requirements: ['core-001', 'core-035', 'charge-001', 'charge-012'],
    threats: [21, 22, 23],
    title: 'every spoiled proof gets a 402 with a fresh challenge, moves nothing and opens nothing',
    async run({ open, rail }) {
      const bad = await spoil(open(), rail)
      must(bad.length >= 2, 'the fixture spoils no proofs: give at least two')
      for (const index of bad.keys()) {
        const site = open()
        const answer402 = await site.send()
        const honest = await site.prove(answer402)
        const challenge = answer402.challenges.find(({ id }) => id === honest.challenge.id)
        must(challenge, 'the proof answers no challenge of this answer')
        const tampered = (await rail.tamper(honest.payload, challenge))[index]
        must(tampered, 'the fixture spoils fewer proofs the second time')
        const before = await rail.settled()
        const authorization = present({ ...honest, payload: tampered.payload })
        const answer = await site.send({ headers: { authorization } })
        const what = `a proof with ${tampered.title}`
        must(answer.status === 402, `${what} is not refused with a 402`, answer)
        must(answer.wires.length > 0, `${what} brings no fresh challenge`, answer)
        const code = tampered.code ?? 'verification-failed'
        must(codeOf(answer) === code, `${what} should be refused as ${code}`, answer)
        must(!answer.headers.has('payment-receipt'), `${what} brings a receipt`, answer)
        must(site.served() === 0, `${what} makes the page`)
        must((await rail.settled()) === before, `${what} moves money`)
      }
    },
  },
  {
    id: 'proof/wrong-shape',
    requirements: ['core-001', 'core-002'],
    threats: [7],
    title: 'a payload of another shape gets a 402, whatever it is',
    async run({ open }) {
      const site = open()
      const { challenges } = await site.send()
      const [challenge] = challenges
      must(challenge, 'there is no challenge to answer')
      const shapes = [
        {},
        { a: 1 },
        { payload: null },
        deep(60),
        { __proto__: null, constructor: 'x' },
      ]
      for (const payload of shapes) {
        const authorization = present({ challenge, payload })
        const answer = await site.send({ headers: { authorization } })
        must(answer.status === 402, 'a payload of another shape is not answered by a 402', answer)
        must(
          answer.wires.length > 0,
          'a payload of another shape brings no fresh challenge',
          answer,
        )
      }
      must((await site.settled()) === 0, 'a payload of another shape moves money')
    },
  },
  {
    id: 'proof/refused-then-honest',
    requirements: ['core-002'],
    title: 'a refused proof does not bar the honest payer from paying for the page',
    async run({ open, rail }) {
      const site = open()
      const first = await site.send()
      const honest = await site.prove(first)
      const [challenge] = first.challenges
      const [bad] = challenge ? await rail.tamper(honest.payload, challenge) : []
      must(bad, 'the fixture spoils no proofs')
      const refused = await site.send({
        headers: { authorization: present({ ...honest, payload: bad.payload }) },
      })
      must(refused.status === 402, 'a spoiled proof is not refused', refused)
      await buy(site)
    },
  },
  {
    id: 'proof/of-this-challenge',
    requirements: ['core-009', 'charge-010'],
    threats: [1, 3, 21],
    title: 'a proof made for one challenge is worth nothing under another',
    needs: ['bindsChallenge'],
    async run({ open }) {
      const site = open()
      const honest = await site.prove(await site.send())
      const [other] = (await site.send()).challenges
      must(other, 'there is no second challenge')
      const authorization = present({ ...honest, challenge: other })
      const answer = await site.send({ headers: { authorization } })
      must(answer.status === 402, 'a proof for one challenge pays another', answer)
    },
  },
  {
    id: 'proof/of-any-challenge-once',
    requirements: ['core-065', 'charge-010'],
    threats: [3],
    title:
      'a proof that is not bound to a challenge pays for the one that it is first shown with, alone',
    needs: ['!bindsChallenge'],
    async run({ open }) {
      const site = open()
      const [first, second] = [await site.send(), await site.send()]
      const honest = await site.prove(first)
      const [other] = second.challenges
      must(other, 'there is no second challenge')
      const moved = { headers: { authorization: present({ ...honest, challenge: other }) } }
      const paid = await site.send(moved)
      must(paid.status < 400, 'an unbound proof is refused under another challenge', paid)
      const again = await site.send({ headers: { authorization: present(honest) } })
      must(again.status === 402, 'one proof pays for two challenges', again)
      must((await site.settled()) === 1, 'one proof moves money twice')
    },
  },
  {
    id: 'proof/names-payer',
    requirements: ['core-031'],
    title: 'the credential names its payer, as a DID',
    needs: ['namesPayer'],
    async run({ open }) {
      const site = open()
      const { source } = await site.prove(await site.send())
      must(source?.startsWith('did:'), `the payer is named "${source}", not by a DID`)
    },
  },
  {
    id: 'proof/names-nobody',
    requirements: ['core-077'],
    title: 'the credential does not say who pays',
    needs: ['!namesPayer'],
    async run({ open }) {
      const site = open()
      const { source } = await site.prove(await site.send())
      must(source === undefined, `the rail declares that it names nobody, and names "${source}"`)
    },
  },
  {
    id: 'proof/moves-nothing-yet',
    requirements: ['core-067'],
    title: 'making a proof moves no money: the server does, once it has judged it',
    needs: ['!pushes'],
    async run({ open }) {
      const site = open()
      const honest = await site.prove(await site.send())
      must(
        (await site.settled()) === 0,
        'the client moves the money, though the rail says the server does',
      )
      await site.send({ headers: { authorization: present(honest) } })
      must((await site.settled()) === 1, 'the server does not move the money')
    },
  },
  {
    id: 'proof/has-moved-already',
    requirements: ['charge-009'],
    threats: [21],
    title: 'making a proof moves the money, and presenting it moves no more',
    needs: ['pushes'],
    async run({ open }) {
      const site = open()
      const honest = await site.prove(await site.send())
      must((await site.settled()) === 1, 'the client has a proof though no money has moved')
      await site.send({ headers: { authorization: present(honest) } })
      must((await site.settled()) === 1, 'the server moves the money a second time')
    },
  },
]

async function spoil(site: ReturnType<Bench['open']>, rail: Bench['rail']) {
  const answer = await site.send()
  const honest = await site.prove(answer)
  const challenge = answer.challenges.find(({ id }) => id === honest.challenge.id)
  must(challenge, 'the proof answers no challenge of this answer')
  return rail.tamper(honest.payload, challenge)
}

const deep = (levels: number): object => (levels === 0 ? {} : { in: deep(levels - 1) })
