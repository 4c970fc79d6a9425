/**
 * A paying process, for tests that kill it: `payer-process.mjs <url> <lnd> <macaroon> <journal file> <timeout>`. Prints what
 * became of one fetch.
 *
 * @module
 */
import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { Mpp } from '@polyrail/core/client'
import { lightning } from '@polyrail/lightning/client'
import { lnd } from '@polyrail/lightning/lnd'

const [page = '', url = '', macaroon = '', file = '', timeout = ''] = process.argv.slice(2)

/** As durable as a killed process needs, for one process at a time. @type {import('@polyrail/lightning/client').JournalStore} */
const store = {
  async update(key, change) {
    const values = JSON.parse(readFileSync(file, 'utf8'))
    const value = change(values[key])
    if (value === undefined) return values[key]
    writeFileSync(`${file}.new`, JSON.stringify({ ...values, [key]: value }))
    renameSync(`${file}.new`, file)
    return value
  },
}

const wallet = lnd({ url, macaroon })
const methods = [lightning({ wallet, network: 'regtest', store, timeout: Number(timeout) })]
const mpp = Mpp.create({ methods, policy: { max: '100' } })
console.log('ready')
try {
  const answer = await mpp.fetch(page)
  console.log(JSON.stringify({ status: answer.status, text: await answer.text() }))
} catch (error) {
  console.log(JSON.stringify({ code: /** @type {{ code?: string }} */ (error).code }))
}
