/**
 * Method cases: what a rail's own challenges must be.
 *
 * @module
 */
import { createHmac } from 'node:crypto'
import type { Bench } from '../../bench.js'
import { must, type Case } from '../../case.js'

export const challenge: readonly Case<Bench>[] = [
  {
    id: 'challenge/description-of-any-text',
    requirements: ['core-020'],
    threats: [7],
    title: 'a description of any characters leaves the challenge readable',
    async run({ open }) {
      const texts = [
        'plain',
        'Zoë’s café',
        '🍕 日本語',
        'a"b\\c',
        'line\r\nbreak: x',
        'nul\u0000',
        '\u007f',
        'x'.repeat(900),
      ]
      for (const description of texts) {
        const answer = await open({ route: { description } }).send()
        const shown = JSON.stringify(description.slice(0, 20))
        must(answer.status === 402, `the description ${shown} breaks the answer`, answer)
        must(answer.challenges.length === 1, `the description ${shown} hides the challenge`, answer)
        const plain = /^[^\p{Cc}]*$/u.test(description)
        must(
          !plain || answer.wires[0]?.description === description,
          `the description ${shown} does not arrive as it was written`,
        )
      }
    },
  },
  {
    id: 'challenge/expires-as-configured',
    requirements: ['core-018'],
    threats: [13],
    title: 'a challenge lives as long as the route says',
    async run({ open }) {
      const [wire] = (await open({ route: { expires: 60 } }).send()).wires
      const left = Date.parse(wire?.expires ?? '') - Date.now()
      must(left > 50_000 && left <= 61_000, `a challenge of 60 s lives for ${left} ms`)
    },
  },
  {
    id: 'challenge/issued-anew',
    requirements: ['core-082'],
    threats: [3],
    title: 'each challenge carries issued fields of its own',
    needs: ['issues'],
    async run({ open }) {
      const [one, two] = await twoRequests(open())
      must(
        one !== two,
        'two challenges share what should be issued for each: one payment buys both',
      )
    },
  },
  {
    id: 'challenge/same-request',
    requirements: ['core-015'],
    title: 'a route asks every visitor for the same, byte for byte',
    needs: ['!issues'],
    async run({ open }) {
      const [one, two] = await twoRequests(open())
      must(
        one === two,
        'a route’s request differs from visit to visit, and no issued field is declared',
      )
    },
  },
  {
    id: 'challenge/does-nothing',
    requirements: ['core-067', 'core-068'],
    threats: [28],
    title: 'an unpaid request makes no page, moves no money and leaves nothing in the store',
    async run({ open }) {
      const site = open()
      for (const method of ['GET', 'POST', 'DELETE']) await site.send({ method })
      must(site.served() === 0, 'the page is made before it is paid for')
      must((await site.settled()) === 0, 'money moves for an unpaid request')
      const [write] = site.writes
      must(
        !write,
        `an unpaid request writes "${write?.key}" to the store, which anybody can fill up`,
      )
    },
  },
  {
    id: 'challenge/id-of-seven-slots',
    requirements: ['core-009', 'core-024', 'core-026', 'core-028'],
    title: 'the id is the HMAC-SHA256 over the seven slots that the draft recommends',
    async run({ open }) {
      const secretKey = 'a-secret-that-the-case-knows-as-well'
      const site = open({ config: { secretKey } })
      for (const method of ['GET', 'POST']) {
        const [wire] = (await site.send({ method, body: 'something' })).wires
        must(wire, 'there is no challenge to look at')
        const { realm, intent, request, expires = '', digest = '', opaque = '' } = wire
        const slots = [realm, wire.method, intent, request, expires, digest, opaque].join('|')
        const id = createHmac('sha256', secretKey).update(slots).digest('base64url')
        must(wire.id === id, `${method}: another server with this secret would not know the id`)
      }
    },
  },
  {
    id: 'challenge/speaks-the-language',
    requirements: ['core-053'],
    title: 'a description can follow Accept-Language',
    async run({ open }) {
      const description = ({ acceptLanguage }: { acceptLanguage: string | null }) =>
        acceptLanguage?.startsWith('de') ? 'Eine Seite' : 'A page'
      const site = open({ route: { description } })
      for (const [language, text] of [
        ['de-AT, en;q=0.5', 'Eine Seite'],
        ['fr', 'A page'],
      ] as const) {
        const [wire] = (await site.send({ headers: { 'accept-language': language } })).wires
        must(wire?.description === text, `in ${language} the description is "${wire?.description}"`)
      }
    },
  },
  {
    id: 'challenge/names-the-shop',
    requirements: ['core-011'],
    title: 'realm, method and intent are the server’s and the rail’s',
    async run({ rail, open }) {
      const [wire] = (await open().send()).wires
      must(
        wire?.realm === 'shop.example',
        `the realm is "${wire?.realm}", not what the server was given`,
      )
      must(wire.method === rail.server.name, `the method is "${wire.method}"`)
      must(wire.intent === rail.server.intent, `the intent is "${wire.intent}"`)
    },
  },
]

async function twoRequests(site: ReturnType<Bench['open']>): Promise<(string | undefined)[]> {
  const answers = [await site.send(), await site.send()]
  return answers.map(({ wires }) => wires[0]?.request)
}
